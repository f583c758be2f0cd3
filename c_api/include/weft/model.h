/* Models and checkpoints in files. */
#ifndef WEFT_MODEL_H_
#define WEFT_MODEL_H_

#include "weft/base.h"
#include "weft/graph.h"
#include "weft/session.h"

/** Writes an ONNX file of what `outputs` need, or the graph's own outputs if `output_count` is 0. Variables are written
 * with the values that they have in `session`, a session of this graph; NULL: with their initial ones. The file is
 * written under another name first, so a failure leaves the old one. Keys of "save" options: int "training" (0; 1 keeps
 * variables, their initial values, assignments and every other node, to go on building and training where it is
 * loaded), string "weights" ("": inline; else the name of a safetensors file to write beside the model for tensors of 1
 * KiB and more), int "opset" (that of ai.onnx which the file is of, 7 to 27, for readers that know no later one; not with
 * "training" 1; 0, the default: the newest released one, 26, or 27 where an operator needs it). Nodes are then written in
 * the form that they had in that opset, or as operators that it has; the version of the file format is the one of that
 * time; other domains are as ever: ai.onnx.ml is of its newest version. A node whose element types ONNX does not have its
 * operator with is written as others that say the same, or, where there are none or "training" is 1, in the domain weft.
 * `options` may be NULL. UNIMPLEMENTED, with the node, for what ONNX cannot say (with "training" 0), and for a node that
 * no operators of "opset" stand for: the error says which opset it needs, or that none has it, and why. */
WEFT_API weft_status* weft_graph_save(const weft_graph* graph, const int64_t* outputs, int32_t output_count,
                                      weft_session* session, const char* path,
                                      const weft_options* options) WEFT_MUST_USE;
/** Reads an ONNX file of opset 1 to 27 as a graph of the newest opset. Keys of "load" options: strings "trainable"
 * (none, the default: weights are constants; else the names of those that become trainable variables; "*": all that are
 * parameters, which leaves out scalars, tensors with numbers of 1e9 and more, as masks have, running averages, where
 * recurrent nodes begin, and what PyTorch's exporter marked as a buffer; of a file that weft_graph_save wrote what was
 * trainable), int "map" (1: the files are mapped, and large weights stay there until somebody asks for their elements;
 * those that kernels have in a form of their own stay there for good, which halves the memory of most models. The files
 * must then not change or be made shorter as long as the graph or a session of it lives; 0, the default: all is read).
 * `options` may be NULL. DATA_LOSS for a damaged file, UNIMPLEMENTED with the node for an unknown operator. */
WEFT_API weft_status* weft_graph_load(const char* path, const weft_options* options,
                                      weft_graph** out_graph) WEFT_MUST_USE;
/** The same from `bytes` bytes at `data`, which are not needed after; external weights are looked for in `folder`,
 * which may be NULL. */
WEFT_API weft_status* weft_graph_load_bytes(const void* data, size_t bytes, const char* folder,
                                            const weft_options* options, weft_graph** out_graph) WEFT_MUST_USE;
/** What is in an ONNX file, as JSON, which grows new keys in later versions; no session is made and no weight is kept.
 * "ir_version", "producer", "producer_version", "opsets" (the version of each domain; "ai.onnx" is ONNX's own), "inputs",
 * "outputs" and "weights" of its graph (each has "name" and "type", such as "f32[batch, 3]", "" where the file says none
 * that can be read), "operators" and "functions" (of the model's own; both: how many nodes name each, in all graphs and
 * functions), "parameters" ("tensors", "elements" and "bytes" of the weights of all graphs), "metadata" (texts), and
 * "unsupported": texts that say what keeps it from being loaded, every operator that is not known, else the first error
 * of loading it; empty if it can be loaded. The file and those of its weights are mapped while it lasts: they must not
 * be made shorter. NOT_FOUND if there is no such file, DATA_LOSS if it holds no model. */
WEFT_API weft_status* weft_model_inspect(const char* path, weft_bytes** out_json) WEFT_MUST_USE;
/** The same from `bytes` bytes at `data`; external weights are looked for in `folder`, which may be NULL. */
WEFT_API weft_status* weft_model_inspect_bytes(const void* data, size_t bytes, const char* folder,
                                               weft_bytes** out_json) WEFT_MUST_USE;

/** Writes a checkpoint: a safetensors file of every variable, optimizer state, step and random counter. Written under
 * another name first, so a failure leaves the old one. No run may change a variable in between: it waits for one. */
WEFT_API weft_status* weft_session_save(weft_session* session, const char* path) WEFT_MUST_USE;
/** Sets every variable of the session's graph from a checkpoint; training then continues bit for bit. All or nothing:
 * INVALID_ARGUMENT, with names and shapes, if a variable is missing in the file, unknown to the graph or different, and
 * then no variable has changed. Keys of "load" options: int "partial" (1: sets those that are in both). */
WEFT_API weft_status* weft_session_load(weft_session* session, const char* path,
                                        const weft_options* options) WEFT_MUST_USE;

#endif
