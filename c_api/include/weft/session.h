/* Running graphs: sessions, prepared calls, variables, host functions, traces.
 *
 * A session runs parts of one graph over a store of variables. Any number of threads may run one session at once; runs
 * that assign variables come one after another, each seeing the one before. A run that fails or is cancelled changes no
 * variable.
 */
#ifndef WEFT_SESSION_H_
#define WEFT_SESSION_H_

#include "weft/base.h"
#include "weft/graph.h"
#include "weft/tensor.h"

/** A graph that can run, over a store of variables. */
typedef struct weft_session weft_session;
/** A call made ready: bound by index, used by one thread at a time. */
typedef struct weft_prepared weft_prepared;
/** What runs did, and when. */
typedef struct weft_trace weft_trace;

/** Makes a session. `share` is a session whose variables this one uses too, or NULL for variables of its own. Keys of
 * "session" options: int "threads" (most threads of a run; 0, the default, all), int "max_plans" (shapes kept ready for
 * each set of fed and fetched values, 64), int "spin_after_run_us" (0 to 50; 0), int "reference_kernels" (1: plain
 * kernels only), strings "disable_pass" ("*": all; the error for an unknown name lists them), string "weight_dtype"
 * ("f32" or "bf16"; "f32"), string "device" (a name of weft_device_name; "cpu"). A device runs the operators that it has
 * kernels for and the CPU the others; variables then lie on the device, what is fed and fetched in the process's memory, from and
 * to which each run copies it.
 * NOT_FOUND for a device that there is not. With int "device_only" (0) 1, a run that needs the CPU for an operator that the
 * device has no kernel for is UNIMPLEMENTED. With int "device_outputs" (0) 1, what is fetched stays on the device instead
 * (weft_tensor_device), but for strings, sequences, optionals and maps. What is fed may lie there too, and is then used without a
 * copy; on another device than the session's it is INVALID_ARGUMENT. With the weight_dtype "bf16", products on the CPU keep a constant matrix B of f32 with 16,384 elements or more as
 * bf16 (each rounded to the nearest, ties to even) and compute in f32 as ever: MatMul, and Gemm whose beta is 0 or 1. That
 * halves what is read for a few rows. Variables, convolutions, other readers of the matrix and plain kernels have the f32.
 * String "weight_cache" ("": none): a folder, made if
 * there is none, where large constant weights are kept as kernels read them, so that the next session or process maps
 * them from there and needs neither to read nor to pack the originals. Any number of processes may share it, and it may be
 * emptied at any time; whoever writes to it decides what runs compute. INVALID_ARGUMENT or the system's error if it is no
 * folder and cannot be made one; what else is wrong with it or in it only costs time. `options` may be NULL. The graph may
 * grow later. */
WEFT_API weft_status* weft_session_new(weft_graph* graph, const weft_options* options, weft_session* share,
                                       weft_session** out_session) WEFT_MUST_USE;
/** Ends the session: waits for running calls (cancel them first to end them early); later calls are
 * FAILED_PRECONDITION. Any thread, any number of times; FAILED_PRECONDITION from inside a run of it. */
WEFT_API weft_status* weft_session_close(weft_session* session) WEFT_MUST_USE;
/** Closes and frees. */
WEFT_API void weft_session_free(weft_session* session);

/** Computes `fetches` and `targets` from `tensors`, fed to the values `feeds`. out_tensors[i] is a new tensor for
 * fetches[i]. Targets are computed for their effect (assignments) alone. Keys of "run" options: int "timeout_ms" or
 * float "timeout_s"; and weft_options_set_cancel, weft_options_set_poll, weft_options_set_trace. `options` may be
 * NULL. */
WEFT_API weft_status* weft_session_run(weft_session* session, const int64_t* feeds, const weft_tensor* const* tensors,
                                       int32_t feed_count, const int64_t* fetches, int32_t fetch_count,
                                       const int64_t* targets, int32_t target_count, const weft_options* options,
                                       weft_tensor** out_tensors) WEFT_MUST_USE;
/** Makes such a run ready to be called often. Where the sizes of all that is fed are known it is also planned: the first run
 * then takes no longer than the others, unless something is bound that lies on a device. */
WEFT_API weft_status* weft_session_prepare(weft_session* session, const int64_t* feeds, int32_t feed_count,
                                           const int64_t* fetches, int32_t fetch_count, const int64_t* targets,
                                           int32_t target_count, weft_prepared** out_prepared) WEFT_MUST_USE;
/** Gives every variable of the graph that has no value yet its initial one; runs do this by themselves. */
WEFT_API weft_status* weft_session_initialise(weft_session* session) WEFT_MUST_USE;
/** A copy of a variable's value in the process's memory (one on the device comes from fetching the variable), as the last finished run left it; its initial one if none has run. NOT_FOUND for the
 * name. */
WEFT_API weft_status* weft_session_get(weft_session* session, const char* variable,
                                       weft_tensor** out_tensor) WEFT_MUST_USE;
/** Sets a variable to a copy of a tensor, wherever that lies, as a run that assigns it would: in turn with those, and running ones do not
 * see it. NOT_FOUND for the name, INVALID_ARGUMENT for another type or shape than the variable's. */
WEFT_API weft_status* weft_session_set(weft_session* session, const char* variable,
                                       const weft_tensor* tensor) WEFT_MUST_USE;
/** What the session keeps and has done, as JSON, which grows new keys in later versions: "runs" (begun so far), "threads"
 * (of one run), "instruction_set" (of its kernels), "device", "weight_cache" ("found" and "made": how many packed weights
 * its folder had and lacked), and "calls", an entry for each set of fed and fetched values that it keeps plans for: "feeds", "fetches" (names of values), "assigns" (names of variables) and "plans", the last used
 * first, one for each signature of inputs that were seen: "inputs" (fed values, then variables that are read; "f32[2, 3]"),
 * "kernels" (how many steps run each, by "MatMul: vectors"), "on_cpu" (those that a device leaves to the CPU), "constant_bytes" (what kernels read as it is; not what they
 * packed), "arena_bytes" (of each run at a time), "device_arena_bytes", "idle_arenas" (kept for the next runs),
 * "branch_groups" (stretches whose branches run side by side). Nothing is counted of runs that go on. FAILED_PRECONDITION if the session is closed or this is inside one of its runs. The process's memory: weft_memory_bytes. */
WEFT_API weft_status* weft_session_inspect(weft_session* session, weft_bytes** out_json) WEFT_MUST_USE;
/** Lets go of memory that is kept for speed: plans, arenas and what kernels packed of constants, as far as no run and no
 * prepared call uses it. What is needed again is made again. */
WEFT_API weft_status* weft_session_trim(weft_session* session) WEFT_MUST_USE;

/** Binds a tensor to input i: every run reads its memory, where new values may be written between runs (on a device they must
 * have been written when the run begins). Its shape may differ from the one bound before. INVALID_ARGUMENT if it lies on another
 * device than the session's. */
WEFT_API weft_status* weft_prepared_bind_input(weft_prepared* prepared, int32_t i,
                                               const weft_tensor* tensor) WEFT_MUST_USE;
/** Binds a tensor to output i: every run writes there, in the process's memory or on the session's device, whatever
 * "device_outputs" says; on a device what else reads or writes its memory must be done when the run begins. NULL unbinds: each
 * run then gives a tensor that nobody else holds. Its memory must be its own: a run is INVALID_ARGUMENT while it overlaps that
 * of a bound input or of another bound output. INVALID_ARGUMENT if it lies on another device than the session's. */
WEFT_API weft_status* weft_prepared_bind_output(weft_prepared* prepared, int32_t i, weft_tensor* tensor) WEFT_MUST_USE;
/** Runs; `options` are those of weft_session_run. FAILED_PRECONDITION if another thread is in it, an input is not bound,
 * or it is closed. */
WEFT_API weft_status* weft_prepared_run(weft_prepared* prepared, const weft_options* options) WEFT_MUST_USE;
/** Output i of the last run that succeeded. */
WEFT_API weft_status* weft_prepared_output(weft_prepared* prepared, int32_t i, weft_tensor** out_tensor) WEFT_MUST_USE;
/** Ends the prepared call: waits for a running one, lets go of what is bound; later calls are FAILED_PRECONDITION, as is
 * one that still waits for another run that assigns. Any thread, any number of times; FAILED_PRECONDITION from inside a
 * run of it. */
WEFT_API weft_status* weft_prepared_close(weft_prepared* prepared) WEFT_MUST_USE;
/** Closes and frees. */
WEFT_API void weft_prepared_free(weft_prepared* prepared);

/** Makes an empty trace; give it to runs through weft_options_set_trace. */
WEFT_API weft_status* weft_trace_new(weft_trace** out_trace) WEFT_MUST_USE;
/** Frees the handle. Options that have the trace keep it. */
WEFT_API void weft_trace_free(weft_trace* trace);
/** The trace so far as JSON that Chrome's tracing page and Perfetto read. */
WEFT_API weft_status* weft_trace_json(const weft_trace* trace, weft_bytes** out_json) WEFT_MUST_USE;
/** Has what is run with these options ("run", "fit") written down in `trace`. The options keep it alive; any number of
 * runs may share it, on any threads. */
WEFT_API weft_status* weft_options_set_trace(weft_options* options, weft_trace* trace) WEFT_MUST_USE;

/** A function that a HostCall node runs, on the thread that called run. It sets out_tensors[0..output_count) to tensors
 * that the library takes over; an input may be given back, and one tensor as several outputs. The inputs are read-only:
 * they may be constants, variables or what the caller fed. It must not run a session of the store whose run it is part
 * of; what it frees of that run lives on until the run returns. */
typedef weft_status* (*weft_host_fn)(void* user, const weft_tensor* const* inputs, int32_t input_count,
                                     weft_tensor** out_tensors, int32_t output_count);
/** Registers a host function for the process, in place of one of that name; NULL takes it away. */
WEFT_API weft_status* weft_host_function_set(const char* name, weft_host_fn function, void* user,
                                             weft_drop drop) WEFT_MUST_USE;

#endif
