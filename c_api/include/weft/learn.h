/* Training: optimizers, datasets and the loop over them. */
#ifndef WEFT_LEARN_H_
#define WEFT_LEARN_H_

#include "weft/base.h"
#include "weft/graph.h"
#include "weft/session.h"
#include "weft/tensor.h"

/** Rows of tensors, given out in batches; or a function that gives batches. */
typedef struct weft_dataset weft_dataset;
/** One pass over a dataset. */
typedef struct weft_batches weft_batches;
/** The metrics of each epoch of weft_session_fit. */
typedef struct weft_history weft_history;

/** Adds one training step that lowers `loss`, a scalar: gradients, clipping, updates and assignments. Run `out_target`
 * as a target (or fetch it: it is the number of the step). `kind` is "Sgd", "Momentum", "Adam" or "AdamW". Keys of
 * "optimizer" options: float "learning_rate" (0.001), "momentum" (0.9), "beta1" (0.9), "beta2" (0.999), "epsilon"
 * (1e-8), "weight_decay" (0; AdamW 0.01), "clip_norm" (0: none), int "nesterov" (0), int "lazy" (0; 1:
 * rows of a variable that is only looked up by Gather stay as they are, state included, in steps that do not look them
 * up), string "name" ("optimizer"; a second optimizer of a graph needs another). `options` may be NULL.
 * `learning_rate` may be a value of the graph, such as a schedule over weft_optimizer_step, or 0. With
 * `variable_count` 0 all trainable variables that the loss depends on are trained. State is kept in the variables
 * "<name>/step" and "<name>/<variable>/...", so checkpoints hold it. */
WEFT_API weft_status* weft_optimizer_add(weft_graph* graph, const char* kind, const weft_options* options, int64_t loss,
                                         const int64_t* variables, int32_t variable_count, int64_t learning_rate,
                                         const char* origin, int64_t* out_target) WEFT_MUST_USE;

/** How many steps the optimizer `name` ("optimizer" unless its options say otherwise) has made: the variable "<name>/step", an i64 scalar, made at
 * first use, so that a learning rate can be computed from it before the optimizer is added. */
WEFT_API weft_status* weft_optimizer_step(weft_graph* graph, const char* name, int64_t* out_step) WEFT_MUST_USE;

/** Makes a dataset of tensors that have their first dimension in common; a row is one element of each. The elements are
 * shared. */
WEFT_API weft_status* weft_dataset_new(const weft_tensor* const* tensors, int32_t count,
                                       weft_dataset** out_dataset) WEFT_MUST_USE;
/** Reads a dataset from a file that weft_tensors_load reads: the tensors `names`, in that order; all if `count` is 0.
 * `options` are those of weft_tensors_load. */
WEFT_API weft_status* weft_dataset_load(const char* path, const char* const* names, int32_t count,
                                        const weft_options* options, weft_dataset** out_dataset) WEFT_MUST_USE;
/** Gives the next batch of a pass: sets its tensors in `out_batch`, which is there for the call, by their names; none
 * at the end of the pass, after which it is not called again. Called on the thread that wants the batch, between the
 * runs of fit: it may run, save and close the session. An error ends the call that wants the batch with it. */
typedef weft_status* (*weft_batch_fn)(void* user, weft_tensors* out_batch);
/** Makes a pass of the batches that a function gives, for a weft_pass_fn. Of each batch the tensors `names` are taken,
 * in that order, all of which it must have. The first dimension of the first counts the rows of the batch; other than
 * that, tensors may be of any type and shape, and batches of different ones. `drop` comes on the thread that frees the
 * pass, or ends the call that went through it, and may call Weft. */
WEFT_API weft_status* weft_batches_new(const char* const* names, int32_t count, weft_batches** out_batches,
                                       weft_batch_fn next, void* user, weft_drop drop) WEFT_MUST_USE;
/** Begins pass number `epoch` over a dataset: sets *out_batches to a new pass, of weft_batches_new or over another
 * dataset, which the library takes over. It may be called on several threads at once, and while other passes are under
 * way. It may do what a weft_batch_fn may, and fail as one. */
typedef weft_status* (*weft_pass_fn)(void* user, int64_t epoch, weft_batches** out_batches);
/** Makes a dataset of the batches that a function gives, `width` tensors each. What a batch is and in which order they
 * come is the function's to decide: "batch_size", "shuffle" 1 and "drop_last" 1 are INVALID_ARGUMENT where this dataset
 * is to heed them, and it has no rows to count or choose from. `drop` comes when the last pass over it has ended, too,
 * and may call Weft. */
WEFT_API weft_status* weft_dataset_new_function(int32_t width, weft_dataset** out_dataset, weft_pass_fn open,
                                                void* user, weft_drop drop) WEFT_MUST_USE;
/** The rows first .. first + count - 1 of a dataset, shared with it. */
WEFT_API weft_status* weft_dataset_new_rows(const weft_dataset* dataset, int64_t first, int64_t count,
                                            weft_dataset** out_dataset) WEFT_MUST_USE;
/** Tensor i, all rows of it. */
WEFT_API weft_status* weft_dataset_at(const weft_dataset* dataset, int32_t i, weft_tensor** out_tensor) WEFT_MUST_USE;
/** Ends the dataset: later calls are FAILED_PRECONDITION. It waits for nobody: calls and passes that were begun go on, as
 * do datasets made of its rows. Any thread, any number of times, also from inside a call that goes through it. */
WEFT_API weft_status* weft_dataset_close(weft_dataset* dataset) WEFT_MUST_USE;
/** Frees the handle. Passes under way and datasets made of its rows keep what they need. */
WEFT_API void weft_dataset_free(weft_dataset* dataset);
/** The number of rows, -1 if a function gives the batches; 0 for NULL. */
WEFT_API int64_t weft_dataset_count(const weft_dataset* dataset);
/** The number of tensors in a row, and so in a batch; 0 for NULL. */
WEFT_API int32_t weft_dataset_width(const weft_dataset* dataset);
/** Begins pass number `epoch` (from 0). Keys of "dataset" options: int "batch_size" (32), "shuffle" (0), "seed" (0),
 * "drop_last" (0: the last batch may be short). The order of a shuffled pass depends on seed and epoch alone. */
WEFT_API weft_status* weft_dataset_open(const weft_dataset* dataset, const weft_options* options, int64_t epoch,
                                        weft_batches** out_batches) WEFT_MUST_USE;
/** The next batch: out_tensors gets `count` tensors, one for each of the dataset's, or NULLs at the end of the pass.
 * FAILED_PRECONDITION if another thread is in it. */
WEFT_API weft_status* weft_batches_next(weft_batches* batches, weft_tensor** out_tensors, int32_t count) WEFT_MUST_USE;
/** Ends the pass, wherever it is, and frees it. */
WEFT_API void weft_batches_free(weft_batches* batches);

/* In the next three, tensor i of the dataset is fed to feeds[i], one for each; 0 feeds it to nothing. Metrics are
 * scalars of f32 or f64, averaged over the rows. The keys of their "fit" options besides those named: int "batch_size"
 * (32 rows; not for the batches of a function), int "timeout_ms" or float "timeout_s", and weft_options_set_cancel,
 * weft_options_set_poll and weft_options_set_trace. `options` may be NULL. */

/** Trains: every batch is one run of `target`, which must change variables, and `metrics`. Keys of options: int "epochs" (1), "first_epoch" (0; where
 * a resumed training goes on, below "epochs"), "shuffle" (1; 0, and not to be 1, for the batches of a function), "seed" (0),
 * "drop_last" (0), and to stop early or keep the best: string "monitor" (a name in the history; "": the first metric, that of the
 * validation if there is one), int "patience" (so many epochs in a row without progress end the training; 0: nothing
 * does), float "min_delta" (0: the least progress), string "mode" ("min" or "max"), int
 * "restore_best" (0; 1 puts the variables of the best epoch back). After an error the variables are as the last
 * finished step left them. */
WEFT_API weft_status* weft_session_fit(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                                       int32_t feed_count, int64_t target, const int64_t* metrics, int32_t metric_count,
                                       const weft_options* options, weft_history** out_history) WEFT_MUST_USE;
/** Computes the average of each metric over the dataset. */
WEFT_API weft_status* weft_session_evaluate(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                                            int32_t feed_count, const int64_t* metrics, int32_t metric_count,
                                            const weft_options* options, double* out_averages) WEFT_MUST_USE;
/** Computes `fetches` for every row: the batches of each, one after another along the first dimension, in the process's
 * memory. */
WEFT_API weft_status* weft_session_predict(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                                           int32_t feed_count, const int64_t* fetches, int32_t fetch_count,
                                           const weft_options* options, weft_tensor** out_tensors) WEFT_MUST_USE;
/** Makes fit evaluate `metrics`, or if there are none those of the training, on another dataset after every epoch; in the
 * history their names begin with "val_". It has the same tensors in the same order as the dataset that is trained on.
 * The options keep the dataset. */
WEFT_API weft_status* weft_options_set_validation(weft_options* options, const weft_dataset* dataset,
                                                  const int64_t* metrics, int32_t metric_count) WEFT_MUST_USE;
/** What a fit callback is called for. */
enum { WEFT_FIT_BATCH = 0, WEFT_FIT_EPOCH = 1 };
/** Called on the thread that called fit, after every batch, with the averages so far in the epoch, and after every
 * epoch, with those of the epoch and of its validation; `names` are as in the history, there for the call. Setting
 * *out_stop to 1 ends the training well after this step; an error ends fit with it. It may run, save and close the
 * session. `batch` and `epoch` count from 0; `batch_count` is -1 while only the end of the pass can tell. */
typedef weft_status* (*weft_fit_fn)(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                                    const char* const* names, const double* averages, int32_t metric_count,
                                    int32_t* out_stop);
/** Sets the callback of fit ("fit"), in place of one set before. */
WEFT_API weft_status* weft_options_set_callback(weft_options* options, weft_fit_fn callback, void* user,
                                                weft_drop drop) WEFT_MUST_USE;

/** The number of epochs that were trained; 0 for NULL. */
WEFT_API int64_t weft_history_count(const weft_history* history);
/** The number of metrics of each epoch, those of a validation included; 0 for NULL. */
WEFT_API int32_t weft_history_width(const weft_history* history);
/** The name of metric i, that of its value; NULL if there is none. */
WEFT_API const char* weft_history_name(const weft_history* history, int32_t i);
/** The averages, epoch by epoch: count x width numbers. */
WEFT_API const double* weft_history_data(const weft_history* history);
/** 1 if the training ended before its last epoch. */
WEFT_API int32_t weft_history_stopped(const weft_history* history);
/** Frees the history. */
WEFT_API void weft_history_free(weft_history* history);

#endif
