module github.com/weft-ml/weft/benchmarks

go 1.24

require github.com/weft-ml/weft/go v0.1.0

replace github.com/weft-ml/weft/go => ../go
