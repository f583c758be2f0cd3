/* Errors, options, cancellation, logging and what else every other header uses.
 *
 * Conventions of all headers:
 *  - A function that can fail returns weft_status*: NULL is success; anything else belongs to the caller and says what
 *    was wrong. Out parameters are set to NULL or 0 first.
 *  - `T** out_x` gives an object that the caller owns and frees with weft_x_free; freeing NULL does nothing. A `const`
 *    pointer that is returned is borrowed from the first argument.
 *  - Objects keep alive what they need, so they can be freed in any order.
 *  - A `const T*` argument may be shared by concurrent calls; a `T*` argument is for one call at a time unless the
 *    function says otherwise.
 *  - Strings are UTF-8 and end in NUL; those passed in are copied.
 *  - A callback gets the `user` pointer it was given with. `drop(user)` is called exactly once, when the library no
 *    longer needs it, also if the function that took it fails; unless the function says otherwise it may come on any
 *    thread and must not call Weft.
 */
#ifndef WEFT_BASE_H_
#define WEFT_BASE_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define WEFT_EXPORT __declspec(dllexport)
#define WEFT_MUST_USE
#else
/** Makes a function visible outside the library. */
#define WEFT_EXPORT __attribute__((visibility("default")))
/** The compiler warns where the result is ignored. */
#define WEFT_MUST_USE __attribute__((warn_unused_result))
#endif
#ifdef __cplusplus
#define WEFT_API extern "C" WEFT_EXPORT
#else
/** Begins the declaration of every function. */
#define WEFT_API extern WEFT_EXPORT
#endif

/** The version of these headers; weft_version_number has that of the library. */
#define WEFT_VERSION_MAJOR 0
/** See WEFT_VERSION_MAJOR. */
#define WEFT_VERSION_MINOR 1
/** See WEFT_VERSION_MAJOR. */
#define WEFT_VERSION_PATCH 0

/** An error. Immutable; may move between threads. */
typedef struct weft_status weft_status;
/** A block of bytes that a function made. */
typedef struct weft_bytes weft_bytes;
/** Settings by name, for the functions that take options. */
typedef struct weft_options weft_options;
/** A flag that stops runs from any thread. */
typedef struct weft_cancel weft_cancel;

/** Called once when a callback, or the memory that was lent, is needed no longer: see the conventions above. */
typedef void (*weft_drop)(void* user);

/** The codes of errors. */
enum {
  WEFT_OK = 0,                  /**< No error. */
  WEFT_CANCELLED = 1,           /**< A cancel token stopped the call. */
  WEFT_UNKNOWN = 2,             /**< An error of a callback that says no more. */
  WEFT_INVALID_ARGUMENT = 3,    /**< An argument is wrong whatever the state: NULL, a shape, a type, a key. */
  WEFT_DEADLINE_EXCEEDED = 4,   /**< The time that was given has passed. */
  WEFT_NOT_FOUND = 5,           /**< There is no file, operator, variable or value of that name. */
  WEFT_ALREADY_EXISTS = 6,      /**< The name is taken. */
  WEFT_PERMISSION_DENIED = 7,   /**< The operating system forbids it. */
  WEFT_RESOURCE_EXHAUSTED = 8,  /**< Out of memory, of the memory limit or of disk space. */
  WEFT_FAILED_PRECONDITION = 9, /**< Not in this state: closed, in use by another thread, not bound. */
  WEFT_ABORTED = 10,            /**< For callbacks that end the work; the library does not give it. */
  WEFT_OUT_OF_RANGE = 11,       /**< An index is outside what it counts. */
  WEFT_UNIMPLEMENTED = 12,      /**< What is asked for is not there yet. */
  WEFT_INTERNAL = 13,           /**< A defect of the library. */
  WEFT_UNAVAILABLE = 14,        /**< A program or a disk that is needed cannot be had now. */
  WEFT_DATA_LOSS = 15           /**< A file is damaged. */
};

/** The version of the library as text, such as "0.1.0". */
WEFT_API const char* weft_version(void);
/** The version as a number: major * 1000000 + minor * 1000 + patch. */
WEFT_API int32_t weft_version_number(void);
/** How many objects of this library are alive in the process; 0 when everything was freed. */
WEFT_API int64_t weft_live_objects(void);
/** The most threads that a run uses when nothing limits it. */
WEFT_API int32_t weft_threads(void);

/** Makes an error, for a callback to return. `tag` identifies who attached `payload` (the address of a static of
 * theirs); both may be NULL. Never fails: without memory it gives an error that says so, and drops the payload. */
WEFT_API weft_status* weft_status_new(int32_t code, const char* message, const void* tag, void* payload,
                                      weft_drop drop);
/** Frees an error and drops its payload. */
WEFT_API void weft_status_free(weft_status* status);
/** The code; WEFT_OK for NULL. */
WEFT_API int32_t weft_status_code(const weft_status* status);
/** What was wrong, in words; "" for NULL. */
WEFT_API const char* weft_status_message(const weft_status* status);
/** The name of the node that failed; "" if no node is known. */
WEFT_API const char* weft_status_node(const weft_status* status);
/** The operator of that node; "" if none is known. */
WEFT_API const char* weft_status_op(const weft_status* status);
/** The source line of the user's that built the node; "" if none is known. */
WEFT_API const char* weft_status_origin(const weft_status* status);
/** The errno of the operating system if reading or writing a file failed; 0 for other errors. */
WEFT_API int32_t weft_status_errno(const weft_status* status);
/** Code, message, node, operator and origin in one line. */
WEFT_API const char* weft_status_text(const weft_status* status);
/** What was attached under `tag`; NULL if nothing was. */
WEFT_API void* weft_status_payload(const weft_status* status, const void* tag);
/** The name of a code, such as "INVALID_ARGUMENT". */
WEFT_API const char* weft_code_name(int32_t code);

/** The bytes, valid until weft_bytes_free; NULL for NULL. */
WEFT_API const void* weft_bytes_data(const weft_bytes* bytes);
/** The number of bytes. Text is followed by a NUL that is not counted. */
WEFT_API size_t weft_bytes_size(const weft_bytes* bytes);
/** Frees the block. */
WEFT_API void weft_bytes_free(weft_bytes* bytes);

/** Makes empty options. `kind` says for what, and so which keys there are: "session", "run", "load", "save", "dataset",
 * "optimizer" or "fit"; the functions that take them list the keys. NOT_FOUND for another kind. */
WEFT_API weft_status* weft_options_new(const char* kind, weft_options** out_options) WEFT_MUST_USE;
/** Frees options. Calls that were given them are done with them. */
WEFT_API void weft_options_free(weft_options* options);
/** Sets a key that holds an integer or a number. INVALID_ARGUMENT for a key that the kind does not have (the error
 * lists those that it has), or has in another type. */
WEFT_API weft_status* weft_options_set_int(weft_options* options, const char* key, int64_t value) WEFT_MUST_USE;
/** Sets a key that holds a number. Errors are those of weft_options_set_int. */
WEFT_API weft_status* weft_options_set_float(weft_options* options, const char* key, double value) WEFT_MUST_USE;
/** Sets a key that holds a string. Errors are those of weft_options_set_int. */
WEFT_API weft_status* weft_options_set_string(weft_options* options, const char* key, const char* value) WEFT_MUST_USE;
/** Adds one string to a key that holds a list of them. */
WEFT_API weft_status* weft_options_add_string(weft_options* options, const char* key, const char* value) WEFT_MUST_USE;
/** The token that cancels what is run with these options ("run", "fit"). The options keep it alive. */
WEFT_API weft_status* weft_options_set_cancel(weft_options* options, weft_cancel* cancel) WEFT_MUST_USE;
/** A function called on the caller's own thread about every 20 ms while a run lasts ("run", "fit"); an error that it
 * returns ends the run. */
typedef weft_status* (*weft_poll_fn)(void* user);
/** Sets the poll of what is run with these options ("run", "fit"), in place of one set before. */
WEFT_API weft_status* weft_options_set_poll(weft_options* options, weft_poll_fn poll, void* user,
                                            weft_drop drop) WEFT_MUST_USE;

/** Makes a token that is not set. */
WEFT_API weft_status* weft_cancel_new(weft_cancel** out_cancel) WEFT_MUST_USE;
/** Frees the handle. Options and runs that have the token keep it, as it is then. */
WEFT_API void weft_cancel_free(weft_cancel* cancel);
/** 1 cancels every run that uses the token, and every later one until it is set to 0. Any thread. NULL does nothing. */
WEFT_API void weft_cancel_set(weft_cancel* cancel, int32_t cancelled);
/** 1 if the token is set, else 0; 0 for NULL. Any thread. */
WEFT_API int32_t weft_cancel_get(const weft_cancel* cancel);

/** The function that gets log lines; levels 0 debug, 1 info, 2 warning, 3 error. NULL, the start, is silence. It may be
 * called on any thread and must not call Weft. */
typedef void (*weft_log_fn)(void* user, int32_t level, const char* text);
/** Sets the function that gets lines of `lowest_level` and above, for the process, in place of one set before.
 * Any thread. */
WEFT_API void weft_log_set(weft_log_fn log, int32_t lowest_level, void* user, weft_drop drop);

/** The bytes of tensors and arenas that the library holds now. */
WEFT_API int64_t weft_memory_bytes(void);
/** The most bytes that weft_memory_bytes ever gave. */
WEFT_API int64_t weft_memory_peak(void);
/** The most that it may hold; an allocation past it is RESOURCE_EXHAUSTED. 0, the start, is no limit. */
WEFT_API int64_t weft_memory_limit(void);
/** Sets the most bytes that tensors and arenas may hold; 0 is no limit. What is held already stays. INVALID_ARGUMENT if
 * negative. Any thread. */
WEFT_API weft_status* weft_memory_set_limit(int64_t bytes) WEFT_MUST_USE;

#endif
