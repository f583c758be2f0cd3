// Models, checkpoints and tensors from readers and file systems, and to writers.

//go:build cgo

package weft

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// SaveTo writes the graph as Save does, to w. Its weights are in it: SaveOptions.Weights must be "".
func (g *Graph) SaveTo(w io.Writer, o ...SaveOptions) error {
	choice, err := only(o)
	if err != nil {
		return err
	}
	if choice.Weights != "" {
		return newError(InvalidArgument, "a writer has no place beside it for the weights %q", choice.Weights)
	}
	return saveTo(w, func(path string) error { return g.Save(path, choice) })
}

// LoadGraphFrom reads an ONNX file to its end. Its weights must be in it. At most one options may be given.
func LoadGraphFrom(r io.Reader, o ...LoadOptions) (*Graph, error) {
	if r == nil {
		return nil, nilError("the reader")
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return LoadGraphBytes(data, "", o...)
}

// LoadGraphFS reads an ONNX file of a file system, such as an embed.FS. Its weights must be in it. At most one options
// may be given.
func LoadGraphFS(fsys fs.FS, name string, o ...LoadOptions) (*Graph, error) {
	var graph *Graph
	err := withFile(fsys, name, func(r io.Reader) error {
		var err error
		graph, err = LoadGraphFrom(r, o...)
		return err
	})
	return graph, err
}

// SaveTo writes a checkpoint as Save does, to w.
func (s *Session) SaveTo(w io.Writer) error { return saveTo(w, s.Save) }

// LoadFrom sets the variables as Load does, from a checkpoint that r is read to the end of.
func (s *Session) LoadFrom(r io.Reader, o ...LoadOptions) error {
	return loadFrom(r, ".safetensors", func(path string) error { return s.Load(path, o...) })
}

// SaveTensorsTo writes a safetensors file to w.
func SaveTensorsTo(w io.Writer, tensors map[string]*Tensor) error {
	return saveTo(w, func(path string) error { return SaveTensors(path, tensors) })
}

// LoadTensorsFrom reads the tensors of a safetensors file, which r is read to the end of.
func LoadTensorsFrom(r io.Reader) (map[string]*Tensor, error) { return tensorsFrom(r, ".safetensors") }

// LoadTensorsFS reads the tensors of a file of a file system, such as an embed.FS, as LoadTensors does.
func LoadTensorsFS(fsys fs.FS, name string) (map[string]*Tensor, error) {
	var tensors map[string]*Tensor
	err := withFile(fsys, name, func(r io.Reader) error {
		var err error
		tensors, err = tensorsFrom(r, path.Ext(name))
		return err
	})
	return tensors, err
}

func tensorsFrom(r io.Reader, extension string) (map[string]*Tensor, error) {
	var tensors map[string]*Tensor
	err := loadFrom(r, extension, func(path string) error {
		var err error
		tensors, err = LoadTensors(path)
		return err
	})
	return tensors, err
}

// LoadDatasetFS reads a dataset of a file of a file system, such as an embed.FS, as LoadDataset does.
func LoadDatasetFS(fsys fs.FS, name string, names ...string) (*Dataset, error) {
	var dataset *Dataset
	err := withFile(fsys, name, func(r io.Reader) error {
		return loadFrom(r, path.Ext(name), func(path string) error {
			var err error
			dataset, err = LoadDataset(path, names...)
			return err
		})
	})
	return dataset, err
}

func withFile(fsys fs.FS, name string, f func(io.Reader) error) error {
	if fsys == nil {
		return nilError("the file system")
	}
	file, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(file)
}

// saveTo copies to w what save wrote to a file: the library writes files alone.
func saveTo(w io.Writer, save func(path string) error) error {
	if w == nil {
		return nilError("the writer")
	}
	return inFolder(func(folder string) error {
		path := filepath.Join(folder, "saved")
		if err := save(path); err != nil {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(w, file)
		return err
	})
}

// loadFrom lets load read a file that it copies r to.
func loadFrom(r io.Reader, extension string, load func(path string) error) error {
	if r == nil {
		return nilError("the reader")
	}
	return inFolder(func(folder string) error {
		path := filepath.Join(folder, "loaded"+extension)
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, r)
		if closing := file.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
		return load(path)
	})
}

// inFolder calls f with a new folder that nobody else may look into, and removes it.
func inFolder(f func(folder string) error) error {
	folder, err := os.MkdirTemp("", "weft-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	return f(folder)
}
