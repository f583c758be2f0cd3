// ONNX Runtime, through github.com/yalue/onnxruntime_go: an Add whose inputs and output are memory that it is given.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/weft-ml/weft/benchmarks/programs/go/child"
	ort "github.com/yalue/onnxruntime_go"
)

func main() {
	kind, threads, folder := child.Arguments()
	if kind != "bound" {
		log.Fatalf("there is no %q with onnxruntime_go", kind)
	}
	ort.SetSharedLibraryPath(os.Getenv("ONNXRUNTIME_LIBRARY"))
	child.Check(ort.InitializeEnvironment())
	options := child.Must(ort.NewSessionOptions())
	child.Check(options.SetIntraOpNumThreads(threads))
	child.Check(options.SetInterOpNumThreads(1))
	model := filepath.Join(folder, "model.onnx")
	_, outputs, err := ort.GetInputOutputInfo(model)
	child.Check(err)
	session := child.Must(ort.NewDynamicAdvancedSession(
		model, []string{"x", "other"}, []string{outputs[0].Name}, options))
	binding := child.Must(session.CreateIoBinding())
	child.Check(binding.BindInput("x", tensor(folder, "x")))
	child.Check(binding.BindInput("other", tensor(folder, "other")))
	out := child.Must(ort.NewEmptyTensor[float32](ort.NewShape(4)))
	child.Check(binding.BindOutput(outputs[0].Name, out))
	// A little faster than an AdvancedSession, whose every run hands over the names too.
	run := func() error { return session.RunWithBinding(binding) }
	child.Check(run())
	child.Contender{Version: ort.GetVersion(), Results: out.GetData(), Call: run}.Serve()
}

func tensor(folder, name string) *ort.Tensor[float32] {
	values := child.Read[float32](folder, name)
	return child.Must(ort.NewTensor(ort.NewShape(int64(len(values))), values))
}
