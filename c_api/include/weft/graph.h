/* Building graphs: inputs, variables, nodes, gradients.
 *
 * A value is an int64_t that knows its graph; 0 is none (an omitted optional input). A graph has one writer: two threads
 * that add to it at once get FAILED_PRECONDITION. Every node may carry its origin, the source line that built it; errors
 * then name it.
 */
#ifndef WEFT_GRAPH_H_
#define WEFT_GRAPH_H_

#include "weft/base.h"
#include "weft/tensor.h"

/** A graph under construction: inputs, variables, nodes. */
typedef struct weft_graph weft_graph;
/** Attributes of a node, by name. */
typedef struct weft_attrs weft_attrs;

/** The tokens of `x` as a string. */
#define WEFT_STRINGIZE_(x) #x
/** What `x` stands for, as a string. */
#define WEFT_STRINGIZE(x) WEFT_STRINGIZE_(x)
/** For C: the line that calls, as an origin. */
#define WEFT_ORIGIN (__FILE__ ":" WEFT_STRINGIZE(__LINE__))

/** Makes an empty graph. `opset` is the version of ONNX's operators that weft_graph_add speaks; 0 is the newest
 * (26). */
WEFT_API weft_status* weft_graph_new(int32_t opset, weft_graph** out_graph) WEFT_MUST_USE;
/** Makes a graph to be an attribute of one node of `parent` (a branch of If). Values of `parent` may be used in it.
 * Graphs nest 32 deep at most. */
WEFT_API weft_status* weft_graph_new_sub(weft_graph* parent, weft_graph** out_graph) WEFT_MUST_USE;
/** The same, with inputs: those of the body of a node of `op` (Loop or Scan) that is to have these inputs, 0 for one that
 * is omitted, and these attributes, of which the body is not among yet. */
WEFT_API weft_status* weft_graph_new_body(weft_graph* parent, const char* op, const int64_t* inputs,
                                          int32_t input_count, const weft_attrs* attrs,
                                          weft_graph** out_graph) WEFT_MUST_USE;
/** Frees the handle. Sessions, layers and nodes that need the graph keep it. */
WEFT_API void weft_graph_free(weft_graph* graph);

/** Makes an empty set of attributes. Names and types are checked by weft_graph_add and weft_layer_new, where they are
 * used. */
WEFT_API weft_status* weft_attrs_new(weft_attrs** out_attrs) WEFT_MUST_USE;
/** Frees attributes. Nodes and layers made with them have copies. */
WEFT_API void weft_attrs_free(weft_attrs* attrs);
/** Sets an integer, in place of what had the name. */
WEFT_API weft_status* weft_attrs_set_int(weft_attrs* attrs, const char* name, int64_t value) WEFT_MUST_USE;
/** Sets a number. */
WEFT_API weft_status* weft_attrs_set_float(weft_attrs* attrs, const char* name, double value) WEFT_MUST_USE;
/** Sets a string. */
WEFT_API weft_status* weft_attrs_set_string(weft_attrs* attrs, const char* name, const char* value) WEFT_MUST_USE;
/** Sets a list of `count` integers, which are copied. `values` may be NULL if `count` is 0. */
WEFT_API weft_status* weft_attrs_set_ints(weft_attrs* attrs, const char* name, const int64_t* values,
                                          int64_t count) WEFT_MUST_USE;
/** Sets a list of `count` numbers, which are copied. `values` may be NULL if `count` is 0. */
WEFT_API weft_status* weft_attrs_set_floats(weft_attrs* attrs, const char* name, const double* values,
                                            int64_t count) WEFT_MUST_USE;
/** Sets a list of `count` strings, which are copied. `values` may be NULL if `count` is 0. */
WEFT_API weft_status* weft_attrs_set_strings(weft_attrs* attrs, const char* name, const char* const* values,
                                             int64_t count) WEFT_MUST_USE;
/** Sets a tensor. The elements are shared and must not change. */
WEFT_API weft_status* weft_attrs_set_tensor(weft_attrs* attrs, const char* name,
                                            const weft_tensor* value) WEFT_MUST_USE;
/** Sets a graph of weft_graph_new_sub, such as a branch of If; its outputs must be set before the node is added. */
WEFT_API weft_status* weft_attrs_set_graph(weft_attrs* attrs, const char* name, const weft_graph* value) WEFT_MUST_USE;
/** An attribute as a tensor, NULL if there is none of that name: of an integer or a list of them one of i64, of numbers
 * f64, of strings one of strings, all scalars or vectors. A tensor is read-only: it shares the attribute's elements.
 * INVALID_ARGUMENT for a graph. */
WEFT_API weft_status* weft_attrs_get(const weft_attrs* attrs, const char* name, weft_tensor** out_tensor) WEFT_MUST_USE;

/** Adds an input. A name is UTF-8, here and everywhere; "" makes one. `shape` is text: numbers, names and "?" with
 * commas, such as "batch,3,?"; "" is a scalar; NULL leaves
 * the rank open. Equal names mean equal dimensions. */
WEFT_API weft_status* weft_graph_add_input(weft_graph* graph, const char* name, int32_t dtype, const char* shape,
                                           const char* origin, int64_t* out_value) WEFT_MUST_USE;
/** Adds a tensor as a constant. The elements are shared and must not change. `name` may be NULL. */
WEFT_API weft_status* weft_graph_add_constant(weft_graph* graph, const weft_tensor* tensor, const char* name,
                                              const char* origin, int64_t* out_value) WEFT_MUST_USE;
/** Adds a variable with an initial value: a value of this graph that depends on no input and has a shape of numbers.
 * The result is the variable's value as it was when a run began; change it through the operator weft.Assign. Optimizers
 * train the variables with `trainable` not 0. */
WEFT_API weft_status* weft_graph_add_variable(weft_graph* graph, const char* name, int64_t initial, int32_t trainable,
                                              const char* origin, int64_t* out_value) WEFT_MUST_USE;
/** Adds a node. `op` is a full name ("MatMul", "weft.Assign"); `inputs` are values of this graph or, in a sub-graph, of
 * an enclosing one; `attrs` may be NULL, `name` too. `out_values` gets `output_count` values: the first outputs of the
 * operator. Errors: NOT_FOUND for the operator, INVALID_ARGUMENT with shapes and what was expected. */
WEFT_API weft_status* weft_graph_add(weft_graph* graph, const char* op, const int64_t* inputs, int32_t input_count,
                                     const weft_attrs* attrs, const char* name, const char* origin, int64_t* out_values,
                                     int32_t output_count) WEFT_MUST_USE;
/** Makes `assignment` (an output of weft.Assign) happen in every run that computes `value`, but for those of calls that
 * were prepared before. */
WEFT_API weft_status* weft_graph_attach(weft_graph* graph, int64_t value, int64_t assignment) WEFT_MUST_USE;
/** Adds the nodes that compute the gradient of the sum of `ys` by each of `xs`. `weights`, NULL for ones, has the
 * weight of each y, 0 for ones. out_values[i] is 0 if no y depends on xs[i]. What constants hold may be built into the
 * gradient: what runs are to feed with other values must be an input. */
WEFT_API weft_status* weft_graph_differentiate(weft_graph* graph, const int64_t* ys, int32_t y_count, const int64_t* xs,
                                               int32_t x_count, const int64_t* weights, const char* origin,
                                               int64_t* out_values) WEFT_MUST_USE;
/** Names of what is added until the scope is closed begin with "name/". */
WEFT_API weft_status* weft_graph_open_scope(weft_graph* graph, const char* name) WEFT_MUST_USE;
/** Ends the scope opened last; FAILED_PRECONDITION if none is open. */
WEFT_API weft_status* weft_graph_close_scope(weft_graph* graph) WEFT_MUST_USE;
/** The values that a sub-graph returns, or that a saved graph shows as its outputs. */
WEFT_API weft_status* weft_graph_set_outputs(weft_graph* graph, const int64_t* values, int32_t count) WEFT_MUST_USE;
/** Renames a value; ALREADY_EXISTS if another has the name. */
WEFT_API weft_status* weft_graph_set_name(weft_graph* graph, int64_t value, const char* name) WEFT_MUST_USE;

/** The input, variable or other value of that name; NOT_FOUND if there is none. */
WEFT_API weft_status* weft_graph_find(const weft_graph* graph, const char* name, int64_t* out_value) WEFT_MUST_USE;
/** The number of nodes, those of inputs, constants and variables included; 0 for NULL. */
WEFT_API int32_t weft_graph_node_count(const weft_graph* graph);
/** The number of inputs; 0 for NULL. */
WEFT_API int32_t weft_graph_input_count(const weft_graph* graph);
/** The number of outputs, as set by weft_graph_set_outputs or loaded; 0 for NULL. */
WEFT_API int32_t weft_graph_output_count(const weft_graph* graph);
/** The number of variables, those of optimizers and random counters included; 0 for NULL. */
WEFT_API int32_t weft_graph_variable_count(const weft_graph* graph);
/** Input i, in the order in which they were added; 0 if there is none. */
WEFT_API int64_t weft_graph_input(const weft_graph* graph, int32_t i);
/** Output i; 0 if there is none. */
WEFT_API int64_t weft_graph_output(const weft_graph* graph, int32_t i);
/** Variable i, in the order in which they were added; 0 if there is none. */
WEFT_API int64_t weft_graph_variable(const weft_graph* graph, int32_t i);
/** What is known of a value. The name is borrowed from the graph until it is changed; dtype 0 and rank -1 mean unknown;
 * a dimension that is no number is -1 (its text is in weft_graph_value_shape). Null out parameters are left out.
 * INVALID_ARGUMENT for a value of another graph, with its name and source line while that graph has a handle. */
WEFT_API weft_status* weft_graph_value(const weft_graph* graph, int64_t value, const char** out_name, int32_t* out_kind,
                                       int32_t* out_dtype, int32_t* out_rank) WEFT_MUST_USE;
/** The dimensions, `rank` of them, as numbers or -1. */
WEFT_API weft_status* weft_graph_value_dims(const weft_graph* graph, int64_t value, int64_t* out_dims,
                                            int32_t rank) WEFT_MUST_USE;
/** The shape as text, such as "[batch, 3]"; "[...]" if the rank is unknown. */
WEFT_API weft_status* weft_graph_value_shape(const weft_graph* graph, int64_t value,
                                             weft_bytes** out_text) WEFT_MUST_USE;
/** The graph for people: `format` is "text", "dot" (Graphviz) or "svg" (needs the program dot). */
WEFT_API weft_status* weft_graph_convert(const weft_graph* graph, const char* format,
                                         weft_bytes** out_bytes) WEFT_MUST_USE;

#endif
