/* Device plug-ins: how a shared library brings devices to Weft. For those who write one; programs need weft/device.h.
 *
 * A plug-in is a shared library that exports one function,
 *
 *     weft_status* weft_plugin_open(const weft_plugin_host* host, const weft_plugin** out_plugin);
 *
 * which weft_device_load calls once. It need not be linked with libweft: what it asks of the library goes through `host`.
 * The tables that it gives back must stay as they are until the process ends; so does the plug-in.
 *
 * Every struct begins with its size in bytes as its maker knows it. Members are added at the end alone, and who reads one
 * looks at the size first. Functions must not throw, and may be called by several threads at once unless they take a
 * stream, which one thread uses at a time. A weft_status* that one returns is made by host->make_status.
 *
 * This header may change in any way until the first release with a device of its own.
 */
#ifndef WEFT_PLUGIN_H_
#define WEFT_PLUGIN_H_

#include "weft/base.h"

/** What weft_plugin_host and weft_plugin call `version`. */
#define WEFT_PLUGIN_VERSION 1

/** A node for which a kernel is looked for: its attributes, and the types and shapes of its inputs and outputs, all of
 * them numbers. Lives as long as the call that it is given to. */
typedef struct weft_plugin_node weft_plugin_node;

/** An input or output of a node. */
typedef struct weft_plugin_value {
  size_t struct_size;  /**< That the caller has made room for. */
  int32_t given;       /**< 0 for an optional one that is left out; nothing else is set then. */
  int32_t dtype;       /**< The element type, numbered as weft_tensor_dtype does. */
  int32_t rank;        /**< The number of dimensions. */
  const int64_t* dims; /**< That many sizes. */
  const void*
      constant; /**< The elements of an input that is a constant, in the process's memory; else, and for strings, NULL. */
} weft_plugin_value;

/** An attribute of a node. */
typedef struct weft_plugin_attribute {
  size_t struct_size;         /**< That the caller has made room for. */
  const char* name;           /**< Such as "axis". */
  int32_t kind;               /**< 1 float, 2 int, 3 string, 4 tensor, 6 floats, 7 ints, 8 strings (ONNX's numbers). */
  int32_t count;              /**< Items of a list, elements of a tensor of strings; 1 for the others. */
  const double* floats;       /**< For kinds 1 and 6. */
  const int64_t* ints;        /**< For kinds 2 and 7. */
  const char* const* strings; /**< For kinds 3 and 8, and the elements of a tensor of strings. */
  weft_plugin_value tensor;   /**< For kind 4; its elements are its `constant`. */
} weft_plugin_attribute;

/** What the library offers a plug-in. */
typedef struct weft_plugin_host {
  size_t struct_size; /**< Of the library. */
  int32_t version;    /**< WEFT_PLUGIN_VERSION of the library. */
  /** An error with one of the codes of weft/base.h; `message` is copied. */
  weft_status* (*make_status)(int32_t code, const char* message);
  /** How many inputs (side 0), outputs (1) or attributes (2) a node has. */
  int32_t (*count)(const weft_plugin_node* node, int32_t side);
  /** Fills `out` with input (side 0) or output (1) number i. */
  void (*value)(const weft_plugin_node* node, int32_t side, int32_t i, weft_plugin_value* out);
  /** Fills `out` with attribute i; what it points to lives as long as the node. */
  void (*attribute)(const weft_plugin_node* node, int32_t i, weft_plugin_attribute* out);
} weft_plugin_host;

/** What a kernel gets when it runs. */
typedef struct weft_plugin_run {
  size_t struct_size; /**< Of the library. */
  const void* const*
      inputs; /**< Addresses of the device; NULL for one that is left out, or of which the shape is enough. */
  void* const*
      outputs; /**< Addresses of the device. An output may lie where an input does that the operator lets it replace. */
  void* scratch; /**< As many bytes as were asked for, on the device. */
  void* stream;  /**< To put the work on. */
  int32_t step;  /**< What weft_plugin.stream_wait names if this work fails later. */
} weft_plugin_run;

/** A kernel that is ready for one node. */
typedef struct weft_plugin_prepared {
  size_t struct_size;        /**< Of the library. */
  void* state;               /**< What `run` and `drop` are given. */
  void (*drop)(void* state); /**< Called once, when the plan is let go. May be NULL. */
  weft_status* (*run)(const void* state, const weft_plugin_run* args); /**< Puts the work on the stream and returns. */
  int64_t scratch_bytes;                                               /**< Memory of the device for each run; 0. */
  double cost_ns;                                                      /**< A guess of how long one run takes; 0. */
  int32_t fuses; /**< 1: it works on one element of each input at a time, broadcast to the output, and may become a
                    member of a group that weft_plugin.fuse makes one kernel of; 0. */
} weft_plugin_prepared;

/** One of a group of elementwise kernels. */
typedef struct weft_plugin_member {
  size_t struct_size;    /**< Of the library. */
  const void* state;     /**< That of its prepared kernel, which lives as long as the call. */
  const int32_t* inputs; /**< Operands of the group, -1 for one that is left out. */
  int32_t input_count;   /**< How many there are. */
  int32_t dtype;         /**< Of what it makes, in the shape of the group. */
} weft_plugin_member;

/** Elementwise kernels that feed one another. Operands are numbered: first the inputs of the group, then what each member
 * makes. */
typedef struct weft_plugin_group {
  size_t struct_size;                /**< Of the library. */
  int32_t rank;                      /**< Of the shape of the group. */
  const int64_t* dims;               /**< That many sizes. */
  const weft_plugin_value* inputs;   /**< Each broadcasts to the shape of the group. */
  int32_t input_count;               /**< How many there are: the inputs of the kernel. */
  const weft_plugin_member* members; /**< Each after those that it needs. */
  int32_t member_count;              /**< How many there are. */
  const int32_t* outputs; /**< Operands that leave the group: the outputs of the kernel, each of which may lie where
                                         an input of its shape and size does. */
  int32_t output_count;   /**< How many there are. */
} weft_plugin_group;

/** A kernel of an operator. The first of an operator that accepts a node runs it; where none does, the CPU does. */
typedef struct weft_plugin_kernel {
  size_t struct_size; /**< Of the plug-in. */
  const char* op;     /**< The operator, such as "MatMul" or "weft.Adam". */
  const char* name;   /**< What traces call it. */
  const void* user;   /**< What the functions are given. */
  /** Whether it can run the node; NULL: every node. */
  int32_t (*accepts)(const void* user, const weft_plugin_node* node);
  /** Fills `out`, which has the library's struct_size and zeros. */
  weft_status* (*prepare)(const void* user, const weft_plugin_node* node, weft_plugin_prepared* out);
} weft_plugin_kernel;

/** The directions of copies. */
enum {
  WEFT_PLUGIN_IN = 0,    /**< From the process's memory to the device's. */
  WEFT_PLUGIN_OUT = 1,   /**< From the device's to the process's. */
  WEFT_PLUGIN_WITHIN = 2 /**< Within the device. */
};

/** What a plug-in gives. */
typedef struct weft_plugin {
  size_t struct_size;                /**< Of the plug-in; what comes after recording_free may be missing. */
  int32_t version;                   /**< WEFT_PLUGIN_VERSION that it was compiled with. */
  const char* type;                  /**< Of its devices, which are named "type:0", "type:1" and so on. */
  int32_t device_count;              /**< How many there are. */
  const weft_plugin_kernel* kernels; /**< Of all of its devices. */
  int32_t kernel_count;              /**< How many there are. */

  /** Opens a device, which stays open until the process ends. */
  weft_status* (*device_open)(int32_t index, void** out_device);
  /** Memory of the device, aligned to 64 bytes; RESOURCE_EXHAUSTED when there is no more. */
  weft_status* (*memory_new)(void* device, int64_t bytes, void** out_data);
  /** Gives it back; nothing on any stream uses it any more. */
  void (*memory_free)(void* device, void* data);
  /** A copy that is done when the function returns. */
  weft_status* (*memory_copy)(void* device, void* to, const void* from, int64_t bytes, int32_t direction);
  /** Opens a stream, on which work is done in the order in which it is put there. */
  weft_status* (*stream_open)(void* device, void** out_stream);
  /** Waits for the work on the stream, and closes it. */
  void (*stream_close)(void* stream);
  /** Puts a copy on the stream; memory of the process stays as it is until somebody has waited. */
  weft_status* (*stream_copy)(void* stream, void* to, const void* from, int64_t bytes, int32_t direction, int32_t step);
  /** Waits until all work on the stream is done. Returns the first error of that work, with its step in `out_step`, or -1
   * there if the device cannot tell; the stream can then be used again, unless the device is lost. */
  weft_status* (*stream_wait)(void* stream, int32_t* out_step);

  /** Makes one kernel of a group; `out` has the library's struct_size and zeros. NULL: the plug-in makes none. */
  weft_status* (*fuse)(const weft_plugin_group* group, weft_plugin_prepared* out);
  /** From now on the work that kernels and copies within the device put on the stream is written down instead of done. NULL,
   * as the three that follow: streams cannot do that. */
  weft_status* (*stream_record)(void* stream);
  /** Ends that, and gives what was written down. */
  weft_status* (*stream_recorded)(void* stream, void** out_recording);
  /** Puts what was written down on its stream, any number of times. */
  weft_status* (*stream_replay)(void* stream, void* recording);
  /** Lets it go; nothing of it is under way. */
  void (*recording_free)(void* recording);

  /** The device type by which DLPack knows its devices (2, kDLCUDA; 12, kDLExtDev), which it numbers as here; 0: none, and
   * tensors on them are not exchanged. Of a type and number there is one device: a plug-in that brings a second one is not
   * loaded. */
  int32_t dlpack_type;
  /** Waits for what other libraries of the process have put in order with the device's default stream (of CUDA the legacy one):
   * called when they hand a tensor over, and when they give one back. NULL if there is nothing to wait for. */
  weft_status* (*device_wait)(void* device);
} weft_plugin;

/** The type of weft_plugin_open, which a plug-in exports. */
typedef weft_status* (*weft_plugin_open_fn)(const weft_plugin_host* host, const weft_plugin** out_plugin);

#endif
