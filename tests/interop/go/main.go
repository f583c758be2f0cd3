// The commands of README.md in Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strconv"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

var languages = []string{"c", "cpp", "python", "java", "go"}

var background = context.Background()

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

const start = uint64(0xcbf29ce484222325)

func fnv(value uint64, data []byte) uint64 {
	for _, b := range data {
		value = (value ^ uint64(b)) * 0x100000001b3
	}
	return value
}

func hash(value uint64, tensor *weft.Tensor) uint64 {
	return fnv(value, must(tensor.Bytes()))
}

func bits(number float64) string { return fmt.Sprintf("%016x", math.Float64bits(number)) }

type net struct {
	train                *weft.Dataset
	graph                *weft.Graph
	session              *weft.Session
	images, labels       weft.Value
	logits, loss, target weft.Value
}

func newNet(kind string) *net {
	data := must(weft.LoadDataset("examples/data/digits.safetensors", "images", "labels"))
	n := &net{train: must(data.Rows(0, 1500)), graph: weft.NewGraph()}
	n.images = n.graph.Input("images", weft.F32, "batch", 64)
	n.labels = n.graph.Input("labels", weft.I64, "batch")
	var trained weft.Value
	if kind == "cnn" {
		trained, n.logits = n.cnn()
	} else {
		trained, n.logits = n.mlp(kind == "dropout")
	}
	n.loss = ops.SoftmaxCrossEntropyLoss(trained, n.labels).Named("loss")
	n.target = weft.Adam{Rate: weft.Rate{LearningRate: 1e-3}}.Minimize(n.loss)
	n.session = must(weft.NewSession(n.graph))
	return n
}

func (n *net) mlp(drops bool) (weft.Value, weft.Value) {
	hidden := weft.NewDense(n.graph, "hidden", weft.DenseConfig{Inputs: 64, Units: 64, Activation: "relu", Seed: 1})
	scores := weft.NewDense(n.graph, "scores", weft.DenseConfig{Inputs: 64, Units: 10, Seed: 2})
	x := hidden.Call(n.images, false)
	logits := scores.Call(x, false)
	if !drops {
		return logits, logits
	}
	drop := weft.NewDropout(n.graph, "drop", weft.DropoutConfig{Rate: weft.Float(0.25), Seed: 3})
	return scores.Call(drop.Call(x, true), true), logits
}

func (n *net) cnn() (weft.Value, weft.Value) {
	channels := []int64{1, 32, 32, 64}
	var convs, norms [3]*weft.Layer
	for i := range convs {
		convs[i] = weft.NewConv2d(n.graph, fmt.Sprint("conv", i+1), weft.Conv2dConfig{Inputs: channels[i],
			Filters: channels[i+1], Kernel: []int64{3}, Pads: []int64{1}, Seed: 1})
		norms[i] = weft.NewBatchNorm(n.graph, fmt.Sprint("norm", i+1), weft.BatchNormConfig{Channels: channels[i+1]})
	}
	scores := weft.NewDense(n.graph, "scores", weft.DenseConfig{Inputs: 64, Units: 10, Seed: 1})
	network := func(training bool) weft.Value {
		x := n.images.Reshape(-1, 1, 8, 8)
		for i := range convs {
			x = norms[i].Call(convs[i].Call(x, training), training).Relu()
			if i == 1 {
				x = ops.MaxPool(x, []int64{2, 2}, ops.MaxPoolOptions{Strides: []int64{2, 2}})
			}
		}
		return scores.Call(ops.Flatten(ops.GlobalAveragePool(x)), training)
	}
	return network(true), network(false)
}

func (n *net) fit(first, last int) []float64 {
	history := must(n.session.Fit(background, n.train, []weft.Value{n.images, n.labels}, n.target,
		[]weft.Value{n.loss}, weft.FitOptions{FirstEpoch: first, Epochs: last, BatchSize: 32, Seed: 1}))
	return history.Metric("loss")
}

func train(kind, folder string, epochs int) {
	n := newNet(kind)
	losses := n.fit(0, epochs/2)
	check(n.session.Save(folder + "/go." + kind + ".half"))
	losses = append(losses, n.fit(epochs/2, epochs)...)
	check(n.session.Save(folder + "/go." + kind + ".full"))
	check(n.graph.Save(folder+"/go."+kind+".onnx",
		weft.SaveOptions{Outputs: []weft.Value{n.logits}, Session: n.session}))
	for i, loss := range losses {
		fmt.Println("loss", i+1, bits(loss))
	}
}

func load(kind, folder string) {
	data := must(weft.LoadDataset("examples/data/digits.safetensors", "images", "labels"))
	test := must(data.Rows(1500, 297))
	labels := must(weft.Data[int64](must(test.At(1))))
	for _, language := range languages {
		graph := must(weft.LoadGraph(folder + "/" + language + "." + kind + ".onnx"))
		session := must(weft.NewSession(graph))
		logits := must(session.Predict(background, test, []weft.Value{graph.Inputs()[0], {}},
			graph.Outputs()[:1]))[0]
		points, right := must(weft.Data[float32](logits)), 0
		for i, label := range labels {
			if row := points[10*i : 10*i+10]; slices.Index(row, slices.Max(row)) == int(label) {
				right++
			}
		}
		fmt.Printf("model %s %s %016x\n", language, bits(float64(right)/float64(len(labels))), hash(start, logits))
	}
}

func resume(kind, folder string, epochs int) {
	for _, language := range languages {
		n := newNet(kind)
		check(n.session.Load(folder + "/" + language + "." + kind + ".half"))
		losses, all := n.fit(epochs/2, epochs), start
		for _, variable := range n.graph.Variables() {
			all = hash(all, must(n.session.Get(variable.Name())))
		}
		fmt.Printf("resumed %s %s %016x\n", language, bits(losses[len(losses)-1]), all)
	}
}

// allLayers has every kind of layer in one graph that trains: what it computes, and the gradient of its mean by the
// looked-up table.
func allLayers() {
	graph := weft.NewGraph()
	ids := graph.Input("ids", weft.I64, 4, 3)
	embedding := weft.NewEmbedding(graph, "embedding", weft.EmbeddingConfig{Count: 11, Size: 8, Seed: 1})
	x := weft.NewLayerNorm(graph, "layer_norm", weft.LayerNormConfig{Units: 8}).Call(embedding.Call(ids, true), true)
	x = weft.NewLSTM(graph, "lstm", weft.LSTMConfig{Inputs: 8, Units: 8, Seed: 5}).Call(x, true)
	x = weft.NewSelfAttention(graph, "attention", weft.SelfAttentionConfig{Units: 8, Heads: 2, Seed: 6}).Call(x, true)
	x = weft.NewRMSNorm(graph, "rms_norm", weft.RMSNormConfig{Units: 8}).Call(x, true)
	x = weft.NewGRU(graph, "gru", weft.GRUConfig{Inputs: 8, Units: 4, Bidirectional: true, Seed: 7}).Call(x, true)
	x = weft.NewDropout(graph, "dropout", weft.DropoutConfig{Rate: weft.Float(0.25), Seed: 2}).Call(x, true)
	x = x.Reshape(-1, 3, 2, 4)
	conv := weft.Conv2dConfig{Inputs: 3, Filters: 4, Kernel: []int64{2}, Seed: 3}
	x = weft.NewConv2d(graph, "conv", conv).Call(x, true)
	x = weft.NewBatchNorm(graph, "batch_norm", weft.BatchNormConfig{Channels: 4}).Call(x, true)
	x = weft.NewGroupNorm(graph, "group_norm", weft.GroupNormConfig{Channels: 4, Groups: 2}).Call(x, true)
	x = weft.NewFlatten(graph, "flatten", weft.FlattenConfig{}).Call(x, true)
	dense := weft.DenseConfig{Inputs: 12, Units: 5, Activation: "tanh", Seed: 4}
	x = weft.NewDense(graph, "dense", dense).Call(x, true)
	slopes := graph.Gradients([]weft.Value{x.Mean()}, embedding.Variables(), nil)
	session := must(weft.NewSession(graph))
	rows := must(weft.TensorFrom([]int64{4, 3}, []int64{0, 3, 5, 10, 2, 2, 7, 1, 9, 4, 0, 6}))
	out := must(session.Run(background, weft.Feeds{ids: rows}, x, slopes[0]))
	fmt.Printf("example layers %016x\n", hash(hash(start, out[0]), out[1]))
}

func example() {
	graph := weft.NewGraph()
	a := graph.Input("A", weft.F64, 2, 3)
	re, im, vectorsRe, vectorsIm := ops.Eig(a.MatMul(a.Transpose()))
	l1 := graph.Input("l1", weft.F32, 2, 2)
	w1, b1 := graph.Constant([][]float32{{1, -2}, {0.5, 3}}), graph.Constant([]float32{0.25, -1})
	layer := l1.MatMul(w1).Add(b1).Relu()
	session := must(weft.NewSession(graph))
	matrix := must(weft.TensorFrom([]int64{2, 3}, []float64{1, 2, 3, 4, 5, 6}))
	value := start
	for _, part := range must(session.Run(background, weft.Feeds{a: matrix}, re, im, vectorsRe, vectorsIm)) {
		value = hash(value, part)
	}
	fmt.Printf("example eig %016x\n", value)
	rows := must(weft.TensorFrom([]int64{2, 2}, []float32{1, 2, 3, -4}))
	out := must(session.Run(background, weft.Feeds{l1: rows}, layer))
	fmt.Printf("example relu %016x\n", hash(start, out[0]))
	allLayers()
}

func codeOf(err error) string {
	var e *weft.Error
	if errors.As(err, &e) {
		return e.Code.Error()
	}
	return "OK"
}

// device computes x + x of tensors that lie on a device and stay there.
func device(plugin, name string) {
	check(weft.LoadDevices(plugin))
	graph := weft.NewGraph()
	x := graph.Input("x", weft.F32, 3)
	twice := x.Add(x)
	session := must(weft.NewSession(graph, weft.SessionOptions{Device: name, DeviceOutputs: true}))
	host := must(weft.TensorOf[float32](1, 2, 3))
	there := must(host.To(name))
	once := must(session.Run(background, weft.Feeds{x: there}, twice))[0]
	taken := must(weft.TensorFromDLPack(must(once.DLPack())))
	again := must(session.Run(background, weft.Feeds{x: taken}, twice))[0]
	prepared := must(session.Prepare([]weft.Value{x}, []weft.Value{twice, x}))
	check(prepared.BindInput(0, again))
	check(prepared.BindOutput(0, there))
	check(prepared.Run(background))
	copied := must(must(prepared.Output(1)).Clone())
	fmt.Printf("device place %s, %v, %s, %s\n", host.Device(), once, again.Device(), copied.Device())
	for _, tensor := range []*weft.Tensor{once, again, there} {
		values := must(weft.Data[float32](must(tensor.To("cpu"))))
		fmt.Println("device values", values[0], values[1], values[2])
	}
	_, read := weft.Data[float32](there)
	written := weft.SetData(there, []float32{1, 2, 3})
	_, nowhere := host.To("nowhere:0")
	_, strings := must(weft.TensorOf("a")).To(name)
	_, elsewhere := must(weft.NewSession(graph)).Run(background, weft.Feeds{x: there}, twice)
	for _, err := range []error{read, written, nowhere, strings, elsewhere} {
		fmt.Println("device error", codeOf(err))
	}
}

func main() {
	args := append(os.Args[1:], "", "", "0")
	epochs, _ := strconv.Atoi(args[3])
	switch args[0] {
	case "train":
		train(args[1], args[2], epochs)
	case "load":
		load(args[1], args[2])
	case "resume":
		resume(args[1], args[2], epochs)
	case "device":
		device(args[1], args[2])
	default:
		example()
	}
}
