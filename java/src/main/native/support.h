// What the generated JNI forwards need: arguments converted from Java, errors thrown to Java, callbacks.
#ifndef WEFT_JAVA_SUPPORT_H_
#define WEFT_JAVA_SUPPORT_H_

#include <jni.h>

#include "weft/weft.h"

namespace weft_jni {

// Pointers are Java's long.
template <typename T>
jlong to_long(T* pointer) {
  return static_cast<jlong>(reinterpret_cast<intptr_t>(pointer));
}
template <typename T>
T* to_pointer(jlong value) {
  return reinterpret_cast<T*>(static_cast<intptr_t>(value));
}

// Throws what `status` says and frees it; true if there was no error.
bool check(JNIEnv* env, weft_status* status);
void throw_new(JNIEnv* env, const char* type, const char* message);

// A Java string as UTF-8; null gives nullptr. Not ok() means that an exception is pending.
class Text {
 public:
  Text(JNIEnv* env, jstring text);
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text();
  bool ok() const { return ok_; }
  const char* get() const { return bytes_; }

 private:
  char inline_[200];
  char* bytes_ = nullptr;
  bool ok_ = true;
};

// An array of strings, each as UTF-8.
class Texts {
 public:
  Texts(JNIEnv* env, jobjectArray texts);
  Texts(const Texts&) = delete;
  Texts& operator=(const Texts&) = delete;
  ~Texts();
  bool ok() const { return ok_; }
  const char* const* get() const { return pointers_; }
  jint count() const { return count_; }

 private:
  jint count_ = 0;
  Text** texts_ = nullptr;
  const char** pointers_ = nullptr;
  bool ok_ = true;
};

// Copies of arrays of bytes, with their sizes.
class Blobs {
 public:
  Blobs(JNIEnv* env, jobjectArray arrays);
  Blobs(const Blobs&) = delete;
  Blobs& operator=(const Blobs&) = delete;
  ~Blobs();
  bool ok() const { return ok_; }
  const char* const* get() const { return pointers_; }
  const int64_t* sizes() const { return sizes_; }
  jint count() const { return count_; }

 private:
  jint count_ = 0;
  char* bytes_ = nullptr;
  const char** pointers_ = nullptr;
  int64_t* sizes_ = nullptr;
  bool ok_ = true;
};

// A copy of a Java array of numbers; null gives nullptr. J is the array's type, E its element in C.
template <typename J, typename E>
class Numbers {
 public:
  Numbers(JNIEnv* env, J array);
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  ~Numbers() {
    if (values_ != inline_) delete[] values_;
  }
  bool ok() const { return ok_; }
  E* get() const { return values_; }
  // The same numbers as pointers.
  template <typename T>
  T** pointers() const {
    static_assert(sizeof(T*) == sizeof(E));
    return reinterpret_cast<T**>(values_);
  }
  jint count() const { return count_; }
  // Copies the numbers back into the array.
  void store(JNIEnv* env) const;

 private:
  J array_;
  jint count_ = 0;
  E inline_[16];
  E* values_ = nullptr;
  bool ok_ = true;
};
using Longs = Numbers<jlongArray, int64_t>;
using Ints = Numbers<jintArray, int32_t>;
using Doubles = Numbers<jdoubleArray, double>;

// Throws IllegalArgumentException unless an array has at least `wanted` elements.
bool check_count(JNIEnv* env, const char* name, jint count, jint wanted);
// New Java objects; nullptr gives null.
jstring new_string(JNIEnv* env, const char* text);
jbyteArray new_bytes(JNIEnv* env, const char* text, int64_t size);

// A Java object that the library holds on to as `user`, and how it lets go of it.
void* hold(JNIEnv* env, jobject object);
void drop(void* user);
// The same for a pass over a dataset, which is told that it has ended.
void drop_batch(void* user);

// Each calls the Java object that `user` holds.
weft_status* call_poll(void* user);
void call_log(void* user, int32_t level, const char* text);
weft_status* call_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                      const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop);
weft_status* call_batch(void* user, weft_tensors* out_batch);
weft_status* call_pass(void* user, int64_t epoch, weft_batches** out_batches);
weft_status* call_host(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                       int32_t output_count);
weft_status* call_body(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                       const weft_attrs* attrs, int64_t* out_values, int32_t output_count);

// The classes and methods that callbacks and errors use; false with an exception if one is missing.
bool load_methods(JNIEnv* env);
struct Methods {
  JavaVM* vm = nullptr;
  jclass callbacks = nullptr, string = nullptr;
  jmethodID error, describe, code, poll, log, fit, batch, end, pass, host, body;
};
const Methods& methods();

}  // namespace weft_jni

#endif
