/* The operators: what there is, what each takes and gives, and those that a program adds.
 *
 * A program describes an operator of its own in a schema and registers it with a function that builds its body of other
 * operators. Graphs then take it by its name, files that have nodes of it can be loaded, and it is saved, differentiated and
 * run as any other.
 */
#ifndef WEFT_OP_H_
#define WEFT_OP_H_

#include "weft/base.h"
#include "weft/graph.h"

/** What an operator of a program's own is called, takes and gives. */
typedef struct weft_schema weft_schema;

/** The number of operators that can be added to graphs. */
WEFT_API int32_t weft_op_count(void);
/** The full name of operator i ("MatMul", "weft.Adam"), sorted by domain and name; NULL if there is none. Operators that
 * are registered meanwhile come between the others. The name stays. */
WEFT_API const char* weft_op_name(int32_t i);
/** The definition of an operator as JSON: its "group" ("math", or "nn/conv": a part of the group "nn"), names, types and docs
 * of inputs, outputs and attributes; a default that is no finite number is "inf", "-inf" or "nan". NOT_FOUND, with the
 * nearest name, if there is none. */
WEFT_API weft_status* weft_op_inspect(const char* name, weft_bytes** out_json) WEFT_MUST_USE;

/** How often an input or output is there. */
enum {
  WEFT_FORM_ONE = 0,      /**< Once. */
  WEFT_FORM_OPTIONAL = 1, /**< Once or not at all; it comes after those that are there once. */
  WEFT_FORM_VARIADIC = 2  /**< Once or more often, all of one type; the last one alone. */
};

/** Begins the schema of an operator. `name` is its domain, a dot and an identifier, such as "com.acme.FastGelu"; the
 * domain is not ONNX's ("ai.onnx" and what begins with it) nor "weft". `version` (1) is the one of the domain that saved
 * files name; files of any version of it are read. `doc` says what it computes; it may be NULL here and below.
 * INVALID_ARGUMENT for what is no such name or version. */
WEFT_API weft_status* weft_schema_new(const char* name, int32_t version, const char* doc,
                                      weft_schema** out_schema) WEFT_MUST_USE;
/** Frees the schema. Operators that were registered with it stay. */
WEFT_API void weft_schema_free(weft_schema* schema);
/** Declares a type variable, an identifier such as "T". `dtypes` is what it may be: "f32, f64". All inputs and outputs of
 * a node that are of one variable have one dtype. INVALID_ARGUMENT for an unknown dtype, ALREADY_EXISTS for a variable of
 * that name. */
WEFT_API weft_status* weft_schema_add_type(weft_schema* schema, const char* name, const char* dtypes) WEFT_MUST_USE;
/** Declares the next input. `type` is a variable that was declared or a dtype ("T", "i64"), or seq(...), optional(...) or
 * map(..., ...) of such. `form` is one of WEFT_FORM_ONE and the others. ALREADY_EXISTS for an input of that name;
 * INVALID_ARGUMENT for another type or form, or for one that cannot come after those before. */
WEFT_API weft_status* weft_schema_add_input(weft_schema* schema, const char* name, const char* type, int32_t form,
                                            const char* doc) WEFT_MUST_USE;
/** Declares the next output; as weft_schema_add_input. The first one is not optional. */
WEFT_API weft_status* weft_schema_add_output(weft_schema* schema, const char* name, const char* type, int32_t form,
                                             const char* doc) WEFT_MUST_USE;
/** Declares an attribute. `kind` is "int", "float", "string", "tensor", "ints", "floats" or "strings"; or "bool" or
 * "dtype", which are ints that say more. `required` not 0: a node must have it. Else `defaults`, which may be NULL, has its
 * default under its name; without one a node may lack it. ALREADY_EXISTS for an attribute of that name, INVALID_ARGUMENT for
 * another kind, or a default that is not of it, is lacking in `defaults`, or is given for a required one. */
WEFT_API weft_status* weft_schema_add_attribute(weft_schema* schema, const char* name, const char* kind,
                                                int32_t required, const weft_attrs* defaults,
                                                const char* doc) WEFT_MUST_USE;

/** Builds the body of a node: adds to `graph`, which is for this body alone, what computes the outputs, and sets
 * out_values[0..output_count) to them, every one. `graph` is the function's, which frees it. `inputs` are all of the schema,
 * in its order, 0 for one that the node has not; of a variadic one as many as it has. `attrs`, there for the call, has the
 * attributes of the node with their defaults (weft_attrs_get).
 *
 * It is called when a node is added, loaded, differentiated, and made ready to run, several times for one node, with more
 * or less known of the shapes; on the thread that does it, or on several at once. So what it builds must depend on the
 * types, shapes and attributes alone; a later call that gives other types than the one that added the node is an
 * INVALID_ARGUMENT. It adds to `graph` and to graphs that it makes: to add to an older one is FAILED_PRECONDITION, as is to
 * use a session of the graph that the node is in; to free either handle is fine. It must not wait for another thread that
 * uses a graph which was there before, as that one waits for whoever needs the body. It can use other operators of programs,
 * but not its own; it adds neither inputs nor variables. A body that calls the program
 * when it runs has a node of weft.HostCall. Halves (f16, bf16) may be computed in f32, if the schema lets the type be that.
 * An error that it returns is that of the call which added the node, and names the node. */
typedef weft_status* (*weft_body_fn)(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                                     const weft_attrs* attrs, int64_t* out_values, int32_t output_count);
/** Registers an operator for the process, for good: `user` is dropped only if this fails. Any thread, also while others
 * build and run graphs. `opset` is the version of ONNX's operators that the body is written in, as of weft_graph_new.
 * ALREADY_EXISTS for an operator of that name, INVALID_ARGUMENT for a schema without outputs or an opset that there is
 * not. */
WEFT_API weft_status* weft_op_add(const weft_schema* schema, int32_t opset, weft_body_fn body, void* user,
                                  weft_drop drop) WEFT_MUST_USE;

#endif
