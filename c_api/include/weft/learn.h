/* Training: optimizers, datasets and the loop over them. */
#ifndef WEFT_LEARN_H_
#define WEFT_LEARN_H_

#include "weft/base.h"
#include "weft/graph.h"
#include "weft/session.h"
#include "weft/tensor.h"

/* Rows of tensors, given out in batches. */
typedef struct weft_dataset weft_dataset;
/* One pass over a dataset. */
typedef struct weft_batches weft_batches;

/* Adds one training step that lowers `loss`, a scalar: gradients, clipping, updates and assignments. Run `out_target` as
 * a target (or fetch it: it is the number of the step). `kind` is "Sgd", "Momentum", "Adam" or "AdamW". Keys of
 * "optimizer" options: float "learning_rate" (0.001), "momentum" (0.9), "beta1" (0.9), "beta2" (0.999), "epsilon"
 * (1e-8), "weight_decay" (0; AdamW 0.01), "clip_norm" (0: none), int "nesterov" (0). `options` may be NULL.
 * `learning_rate` may be a value of the graph, such as a schedule over the variable "optimizer/step", or 0. With
 * `variable_count` 0 all trainable variables that the loss depends on are trained. */
WEFT_API weft_status* weft_optimizer_add(weft_graph* graph, const char* kind, const weft_options* options, int64_t loss,
                                         const int64_t* variables, int32_t variable_count, int64_t learning_rate,
                                         const char* origin, int64_t* out_target) WEFT_MUST_USE;

/* Makes a dataset of tensors that have their first dimension in common; a row is one element of each. The elements are
 * shared. */
WEFT_API weft_status* weft_dataset_new(const weft_tensor* const* tensors, int32_t count,
                                       weft_dataset** out_dataset) WEFT_MUST_USE;
WEFT_API void weft_dataset_free(weft_dataset* dataset);
/* The number of rows, and of tensors in a row. */
WEFT_API int64_t weft_dataset_count(const weft_dataset* dataset);
WEFT_API int32_t weft_dataset_width(const weft_dataset* dataset);
/* Starts pass number `epoch` (from 0). Keys of "dataset" options: int "batch_size" (32), "shuffle" (0), "seed" (0),
 * "drop_last" (0: the last batch may be short). The order of a shuffled pass depends on seed and epoch alone. */
WEFT_API weft_status* weft_dataset_open(const weft_dataset* dataset, const weft_options* options, int64_t epoch,
                                        weft_batches** out_batches) WEFT_MUST_USE;
/* The next batch: out_tensors gets `count` tensors, one for each of the dataset's, or NULLs at the end of the pass. */
WEFT_API weft_status* weft_batches_next(weft_batches* batches, weft_tensor** out_tensors, int32_t count) WEFT_MUST_USE;
WEFT_API void weft_batches_free(weft_batches* batches);

#endif
