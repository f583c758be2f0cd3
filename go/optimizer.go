// Optimizers.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import "unsafe"

// Rate is the learning rate of an optimizer, and how gradients are clipped.
type Rate struct {
	LearningRate float64 // 0: 0.001
	Schedule     Value   // a value of the graph to use as the learning rate, such as a formula of Graph.OptimizerStep
	ClipNorm     float64 // the longest that the gradients, as one vector, may be; 0: any
	// Lazy leaves rows of a variable that is only looked up (an embedding), and their state, as they are in steps that do
	// not look them up.
	Lazy bool
	// Name is that of the optimizer, "" for "optimizer"; a second one in a graph needs another. State is kept in the
	// variables "Name/step" and "Name/variable/...".
	Name string
}

func (r Rate) options() *options {
	return newOptions("optimizer").float("learning_rate", r.LearningRate).float("clip_norm", r.ClipNorm).flag("lazy", r.Lazy).
		text("name", r.Name)
}

// Sgd is gradient descent.
type Sgd struct {
	Rate
	WeightDecay float64 // the factor of variables in what is added to their gradients
}

// Momentum is gradient descent with momentum.
type Momentum struct {
	Rate
	Momentum    *float64 // nil: 0.9
	Nesterov    bool     // look ahead along the momentum
	WeightDecay float64  // the factor of variables in what is added to their gradients
}

// Adam is the optimizer of Kingma and Ba.
type Adam struct {
	Rate
	Beta1       *float64 // nil: 0.9
	Beta2       *float64 // nil: 0.999
	Epsilon     *float64 // nil: 1e-8
	WeightDecay float64  // the factor of variables in what is added to their gradients
}

// AdamW is Adam with decoupled weight decay.
type AdamW struct {
	Rate
	Beta1       *float64 // nil: 0.9
	Beta2       *float64 // nil: 0.999
	Epsilon     *float64 // nil: 1e-8
	WeightDecay *float64 // the share of variables that a step takes away, times the learning rate; nil: 0.01
}

// Minimize adds one training step that lowers loss, a scalar, by changing the variables: without any, all trainable
// ones that the loss depends on. Give the result to a run as a target, or to Fit; fetched, it is the number of the
// step.
func (o Sgd) Minimize(loss Value, variables ...Value) Value {
	return minimize("Sgd", o.Rate, o.Rate.options().float("weight_decay", o.WeightDecay), loss, variables)
}

// Minimize is as Sgd.Minimize.
func (o Momentum) Minimize(loss Value, variables ...Value) Value {
	opts := o.Rate.options().maybe("momentum", o.Momentum).flag("nesterov", o.Nesterov)
	return minimize("Momentum", o.Rate, opts.float("weight_decay", o.WeightDecay), loss, variables)
}

// Minimize is as Sgd.Minimize.
func (o Adam) Minimize(loss Value, variables ...Value) Value {
	opts := o.Rate.options().maybe("beta1", o.Beta1).maybe("beta2", o.Beta2).maybe("epsilon", o.Epsilon)
	return minimize("Adam", o.Rate, opts.float("weight_decay", o.WeightDecay), loss, variables)
}

// Minimize is as Sgd.Minimize.
func (o AdamW) Minimize(loss Value, variables ...Value) Value {
	opts := o.Rate.options().maybe("beta1", o.Beta1).maybe("beta2", o.Beta2).maybe("epsilon", o.Epsilon)
	return minimize("AdamW", o.Rate, opts.maybe("weight_decay", o.WeightDecay), loss, variables)
}

// OptimizerStep is how many steps the optimizer of that name, "" for "optimizer", has made: an int64 scalar, made at first
// use, so that a learning rate can be computed from it before the optimizer adds its step.
func (g *Graph) OptimizerStep(name string) Value {
	return g.value(func(graph *C.weft_graph, _ *C.char, out *C.int64_t) error {
		if name == "" {
			name = "optimizer"
		}
		cname := cString(name)
		defer freeString(cname)
		return check(C.wg_optimizer_step(graph, cname, out))
	})
}

func minimize(kind string, rate Rate, opts *options, loss Value, variables []Value) Value {
	defer opts.free()
	g := loss.graph
	if g == nil {
		g = brokenGraph(newError(InvalidArgument, "the loss is missing: weft.Value{} was given"))
	}
	return g.value(func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error {
		if opts.err != nil {
			return opts.err
		}
		in, err := g.idOf(loss)
		if err != nil {
			return err
		}
		ids, err := g.idsOf(variables, false)
		if err != nil {
			return err
		}
		schedule, err := g.idsOf([]Value{rate.Schedule}, true)
		if err != nil {
			return err
		}
		name := cString(kind)
		defer freeString(name)
		return check(C.wg_optimizer_add(graph, name, opts.pointer, in, unsafe.SliceData(ids), C.int32_t(len(ids)),
			schedule[0], origin, out))
	})
}
