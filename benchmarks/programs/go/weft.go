// Weft, called from Go: an Add with its memory bound, and a training.
package main

import (
	"context"
	"log"
	"path/filepath"

	"github.com/weft-ml/weft/benchmarks/programs/go/child"
	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// The first steps of a training, whose losses are compared.
const steps = 5

func session(graph *weft.Graph, threads int) *weft.Session {
	return child.Must(weft.NewSession(graph, weft.SessionOptions{Threads: threads}))
}

func tensor[T float32 | int64](folder, name string, shape ...int64) *weft.Tensor {
	return child.Must(weft.TensorFrom(shape, child.Read[T](folder, name)))
}

func contender(results []float32, prepared *weft.Prepared) child.Contender {
	ctx := context.Background()
	return child.Contender{
		Version: child.Must(weft.Version()),
		Results: results,
		Call:    func() error { return prepared.Run(ctx) },
	}
}

func add(threads int, folder string) child.Contender {
	graph := child.Must(weft.LoadGraph(filepath.Join(folder, "model.onnx")))
	feeds := []weft.Value{child.Must(graph.Find("x")), child.Must(graph.Find("other"))}
	prepared := child.Must(session(graph, threads).Prepare(feeds, graph.Outputs()))
	out := child.Must(weft.ZeroTensor(weft.F32, 4))
	child.Check(prepared.BindInput(0, tensor[float32](folder, "x", 4)))
	child.Check(prepared.BindInput(1, tensor[float32](folder, "other", 4)))
	child.Check(prepared.BindOutput(0, out))
	child.Check(prepared.Run(context.Background()))
	return contender(child.Must(weft.Data[float32](out)), prepared)
}

func training(threads int, folder string) child.Contender {
	graph := weft.NewGraph()
	inputs, labels := graph.Input("inputs", weft.F32, 32, 64), graph.Input("labels", weft.I64, 32)
	dense := func(x weft.Value, number string, units, to int64) weft.Value {
		kernel := graph.Variable("kernel"+number, tensor[float32](folder, "kernel"+number, units, to), true)
		bias := graph.Variable("bias"+number, tensor[float32](folder, "bias"+number, to), true)
		return ops.Gemm(x, kernel, ops.GemmOptions{C: bias})
	}
	scores := dense(ops.Relu(dense(inputs, "0", 64, 64)), "1", 64, 10)
	loss := ops.SoftmaxCrossEntropyLoss(scores, labels)
	step := weft.Adam{Rate: weft.Rate{LearningRate: 1e-3}}.Minimize(loss)

	with := session(graph, threads)
	rows, classes := tensor[float32](folder, "inputs", 32, 64), tensor[int64](folder, "labels", 32)
	prepare := func(fetches ...weft.Value) *weft.Prepared {
		prepared := child.Must(with.Prepare([]weft.Value{inputs, labels}, fetches, step))
		child.Check(prepared.BindInput(0, rows))
		child.Check(prepared.BindInput(1, classes))
		return prepared
	}
	return contender(losses(prepare(loss)), prepare())
}

func losses(withLoss *weft.Prepared) []float32 {
	found := make([]float32, steps)
	for i := range found {
		child.Check(withLoss.Run(context.Background()))
		found[i] = child.Must(weft.Scalar[float32](child.Must(withLoss.Output(0))))
	}
	return found
}

func main() {
	kind, threads, folder := child.Arguments()
	switch kind {
	case "bound":
		add(threads, folder).Serve()
	case "training":
		training(threads, folder).Serve()
	default:
		log.Fatalf("there is no %q from Go", kind)
	}
}
