module github.com/weft-ml/weft/go

go 1.24
