// Training over datasets, evaluating and predicting.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// FitOptions are for Fit; the zero value is the default of each.
type FitOptions struct {
	Epochs     int      // 0: 1
	BatchSize  int      // of rows; 0: 32
	Validation *Dataset // what ValidationMetrics are averaged over after every epoch: the same tensors in the same order
	// ValidationMetrics are in the history with "val_" before their names. nil: the metrics of the training.
	ValidationMetrics []Value
	FirstEpoch        int   // where a training that is resumed goes on, below Epochs
	Shuffle           *bool // whether rows are shuffled; nil: true, unlike for a pass of one's own. The batches of a function come as they are
	Seed              int64 // of the order of the rows
	DropLast          bool  // no last batch that is shorter

	// Monitor is the metric of the history that Patience and RestoreBest watch. "": the first, that of the validation if
	// there is one.
	Monitor     string
	Patience    int     // so many epochs in a row without progress end the training; 0: none do
	MinDelta    float64 // what counts as progress
	Mode        string  // "min" or "max"; "": min
	RestoreBest bool    // put the variables of the best epoch back

	Trace *Trace // collects what ran when, of all runs

	// Callback is called after every batch, with the averages so far in the epoch, and after every epoch. An error
	// ends Fit with it.
	Callback func(*FitEvent) error
}

// FitEvent is what a callback of Fit is told.
type FitEvent struct {
	EpochEnd   bool    // a whole epoch, not a batch
	Epoch      int     // from 0
	Batch      int     // from 0
	BatchCount int     // of the epoch; -1 while only the function that gives them can tell
	Metrics    Metrics // the averages so far; at the end of an epoch, also those of its validation
	Stop       bool    // to be set: ends the training well after this step
}

// Metric is the average of a scalar over the rows of a dataset.
type Metric struct {
	Name  string // that of the scalar
	Value float64
}

// Metrics are averages, in the order in which they were asked for.
type Metrics []Metric

// Value is the average of that name; known is false if there is none.
func (m Metrics) Value(name string) (value float64, known bool) {
	for _, metric := range m {
		if metric.Name == name {
			return metric.Value, true
		}
	}
	return 0, false
}

// String is such as "{loss=0.25, val_loss=0.5}".
func (m Metrics) String() string {
	words := make([]string, len(m))
	for i, metric := range m {
		words[i] = fmt.Sprintf("%s=%v", metric.Name, metric.Value)
	}
	return "{" + strings.Join(words, ", ") + "}"
}

func newMetrics(names []string, values []float64) Metrics {
	metrics := make(Metrics, min(len(names), len(values)))
	for i := range metrics {
		metrics[i] = Metric{names[i], values[i]}
	}
	return metrics
}

// History is the metrics of each epoch of a training.
type History struct {
	Names   []string    // of the metrics
	Epochs  [][]float64 // the averages of each epoch, in the order of Names
	Stopped bool        // the training ended before its last epoch
}

// Metric is what a metric was in each epoch; nil if there is none of that name.
func (h *History) Metric(name string) []float64 {
	if h == nil {
		return nil
	}
	for i, known := range h.Names {
		if known == name {
			values := make([]float64, len(h.Epochs))
			for e, epoch := range h.Epochs {
				values[e] = epoch[i]
			}
			return values
		}
	}
	return nil
}

// String tells the last epoch: "20 epochs, {loss=0.25}".
func (h *History) String() string {
	if h == nil || len(h.Epochs) == 0 {
		return "0 epochs"
	}
	last := newMetrics(h.Names, h.Epochs[len(h.Epochs)-1])
	return fmt.Sprintf("%d epochs, %v", len(h.Epochs), last)
}

// fitRun is what Fit, Evaluate and Predict have in common.
type fitRun struct {
	session *C.weft_session
	dataset *C.weft_dataset
	feeds   []C.int64_t
	control *control
	end     func()
}

func (s *Session) beginFit(ctx context.Context, data *Dataset, feeds []Value, trace *Trace) (*fitRun, error) {
	session, err := s.use()
	if err != nil {
		return nil, err
	}
	dataset, err := data.use()
	if err != nil {
		s.handle.release()
		return nil, err
	}
	r := &fitRun{session: session, dataset: dataset}
	r.end = func() {
		r.control.end()
		data.handle.release()
		s.handle.release()
	}
	r.feeds, err = s.idsOf(feeds, true)
	if err == nil {
		r.control, err = newControl(ctx, "fit", trace)
	}
	if err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

//export weftGoFit
func weftGoFit(user C.uintptr_t, event C.int32_t, epoch, batch, batchCount C.int64_t, names **C.char,
	averages *C.double, metricCount C.int32_t, stop *C.int32_t) *C.weft_status {
	callback := cgo.Handle(user).Value().(func(*FitEvent) error)
	e := FitEvent{EpochEnd: event == 1, Epoch: int(epoch), Batch: int(batch), BatchCount: int(batchCount),
		Metrics: make(Metrics, metricCount)}
	for i, name := range unsafe.Slice(names, int(metricCount)) {
		e.Metrics[i] = Metric{C.GoString(name), float64(unsafe.Slice(averages, int(metricCount))[i])}
	}
	if err := guarded(func() error { return callback(&e) }); err != nil {
		return statusOf(err)
	}
	*stop = C.int32_t(number(e.Stop))
	return nil
}

// Fit trains: every batch of the dataset is one run of step, which an optimizer made. Tensor i of the dataset is fed to
// feeds[i]; weft.Value{} leaves it out. metrics are scalars to average over the rows of each epoch, such as the loss. At
// most one options may be given. After an error the variables are as the last finished step left them.
func (s *Session) Fit(ctx context.Context, data *Dataset, feeds []Value, step Value, metrics []Value,
	options ...FitOptions) (*History, error) {
	o, err := only(options)
	if err != nil {
		return nil, err
	}
	r, err := s.beginFit(ctx, data, feeds, o.Trace)
	if err != nil {
		return nil, err
	}
	defer r.end()
	measured, err := s.idsOf(metrics, false)
	if err != nil {
		return nil, err
	}
	target, err := s.idsOf([]Value{step}, false)
	if err != nil {
		return nil, err
	}
	opts := r.control.opts
	opts.int("epochs", int64(o.Epochs)).int("batch_size", int64(o.BatchSize)).int("first_epoch", int64(o.FirstEpoch)).
		int("seed", o.Seed).flag("drop_last", o.DropLast).
		text("monitor", o.Monitor).int("patience", int64(o.Patience)).float("min_delta", o.MinDelta).
		text("mode", o.Mode).flag("restore_best", o.RestoreBest)
	if o.Shuffle != nil {
		opts.always("shuffle", number(*o.Shuffle))
	}
	if o.Validation != nil {
		s.setValidation(opts, o)
		defer runtime.KeepAlive(o.Validation) // it has its function
	}
	if o.Callback != nil && opts.err == nil {
		user := C.uintptr_t(cgo.NewHandle(o.Callback))
		opts.err = check(C.wg_options_set_callback(opts.pointer, C.wg_fit, user, C.wg_drop))
	}
	if opts.err != nil {
		return nil, opts.err
	}
	var out *C.weft_history
	status := C.wg_session_fit(r.session, r.dataset, unsafe.SliceData(r.feeds), C.int32_t(len(r.feeds)), target[0],
		unsafe.SliceData(measured), C.int32_t(len(measured)), opts.pointer, &out)
	if err := checkRun(ctx, status); err != nil {
		return nil, err
	}
	return takeHistory(out), nil
}

func (s *Session) setValidation(opts *options, o FitOptions) {
	if opts.err != nil {
		return
	}
	metrics, err := s.idsOf(o.ValidationMetrics, false)
	if err != nil {
		opts.err = err
		return
	}
	dataset, err := o.Validation.use()
	if err != nil {
		opts.err = err
		return
	}
	defer o.Validation.handle.release()
	opts.err = check(C.wg_options_set_validation(opts.pointer, dataset, unsafe.SliceData(metrics),
		C.int32_t(len(metrics))))
}

func takeHistory(history *C.weft_history) *History {
	defer C.wg_history_free(history)
	count, width := int(C.wg_history_count(history)), int(C.wg_history_width(history))
	h := &History{Names: make([]string, width), Epochs: make([][]float64, count),
		Stopped: C.wg_history_stopped(history) != 0}
	for i := range h.Names {
		h.Names[i] = C.GoString(C.wg_history_name(history, C.int32_t(i)))
	}
	data := make([]float64, count*width)
	copy(data, unsafe.Slice((*float64)(unsafe.Pointer(C.wg_history_data(history))), len(data)))
	for i := range h.Epochs {
		h.Epochs[i] = data[i*width : (i+1)*width : (i+1)*width]
	}
	return h
}

// EvaluateOptions are for Evaluate and Predict.
type EvaluateOptions struct {
	BatchSize int    // 0: 32
	Trace     *Trace // collects what ran when, of all runs
}

// Evaluate is the averages of metrics, scalars, over the rows of a dataset. Feeds are as for Fit; at most one options
// may be given.
func (s *Session) Evaluate(ctx context.Context, data *Dataset, feeds, metrics []Value,
	o ...EvaluateOptions) (Metrics, error) {
	averages := make([]float64, len(metrics))
	var names []string
	err := s.overBatches(ctx, data, feeds, metrics, o, func(r *fitRun, ids []C.int64_t) *C.weft_status {
		names = s.namesOf(metrics)
		return C.wg_session_evaluate(r.session, r.dataset, unsafe.SliceData(r.feeds), C.int32_t(len(r.feeds)),
			unsafe.SliceData(ids), C.int32_t(len(ids)), r.control.opts.pointer,
			(*C.double)(unsafe.Pointer(unsafe.SliceData(averages))))
	})
	if err != nil {
		return nil, err
	}
	return newMetrics(names, averages), nil
}

// Predict is fetches for every row of a dataset. Feeds are as for Fit; at most one options may be given.
func (s *Session) Predict(ctx context.Context, data *Dataset, feeds, fetches []Value,
	o ...EvaluateOptions) ([]*Tensor, error) {
	out := make([]*C.weft_tensor, len(fetches))
	err := s.overBatches(ctx, data, feeds, fetches, o, func(r *fitRun, ids []C.int64_t) *C.weft_status {
		return C.wg_session_predict(r.session, r.dataset, unsafe.SliceData(r.feeds), C.int32_t(len(r.feeds)),
			unsafe.SliceData(ids), C.int32_t(len(ids)), r.control.opts.pointer, unsafe.SliceData(out))
	})
	if err != nil {
		return nil, err
	}
	return newTensors(out), nil
}

func (s *Session) overBatches(ctx context.Context, data *Dataset, feeds, wanted []Value, list []EvaluateOptions,
	f func(*fitRun, []C.int64_t) *C.weft_status) error {
	o, err := only(list)
	if err != nil {
		return err
	}
	r, err := s.beginFit(ctx, data, feeds, o.Trace)
	if err != nil {
		return err
	}
	defer r.end()
	ids, err := s.idsOf(wanted, false)
	if err != nil {
		return err
	}
	if r.control.opts.int("batch_size", int64(o.BatchSize)); r.control.opts.err != nil {
		return r.control.opts.err
	}
	return checkRun(ctx, f(r, ids))
}
