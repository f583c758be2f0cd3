module github.com/weft-ml/weft/benchmarks/peers

go 1.24

require (
	github.com/weft-ml/weft/benchmarks v0.1.0
	github.com/yalue/onnxruntime_go v1.27.0
)

replace (
	github.com/weft-ml/weft/benchmarks => ..
	github.com/weft-ml/weft/go => ../../go
)
