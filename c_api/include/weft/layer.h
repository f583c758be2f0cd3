/* Layers: variables made once, used as often as needed. */
#ifndef WEFT_LAYER_H_
#define WEFT_LAYER_H_

#include "weft/base.h"
#include "weft/graph.h"

/** A layer: a kind, its attributes and its variables. */
typedef struct weft_layer weft_layer;

/** The number of kinds of layers. */
WEFT_API int32_t weft_layer_count(void);
/** The name of kind i ("Dense"), sorted; NULL if there is none. */
WEFT_API const char* weft_layer_name(int32_t i);
/** A kind of layer as JSON: its attributes with defaults and docs, input and output. */
WEFT_API weft_status* weft_layer_inspect(const char* type, weft_bytes** out_json) WEFT_MUST_USE;

/** Makes a layer and its variables, named "name/kernel" and so on. `attrs` may be NULL. */
WEFT_API weft_status* weft_layer_new(weft_graph* graph, const char* type, const weft_attrs* attrs, const char* name,
                                     const char* origin, weft_layer** out_layer) WEFT_MUST_USE;
/** Adds one use of the layer. `training` not 0: dropout drops, batch normalization uses the batch and moves its running
 * averages in every run that computes the output. Give the values of a loss to train by training, those to predict by
 * not training. */
WEFT_API weft_status* weft_layer_call(weft_layer* layer, const int64_t* inputs, int32_t input_count, int32_t training,
                                      const char* origin, int64_t* out_values, int32_t output_count) WEFT_MUST_USE;
/** The number of variables of the layer; 0 for NULL. */
WEFT_API int32_t weft_layer_variable_count(const weft_layer* layer);
/** Variable i of the layer; 0 if there is none. */
WEFT_API int64_t weft_layer_variable(const weft_layer* layer, int32_t i);
/** Frees the handle. The graph keeps the variables and every use. */
WEFT_API void weft_layer_free(weft_layer* layer);

#endif
