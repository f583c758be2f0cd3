// Java objects that the library holds and calls back, the errors that pass between both, and views of native memory.
#include <cstring>

#include "support.h"

namespace weft_jni {

namespace {

Methods g_methods;    // written once by JNI_OnLoad
const char kTag = 0;  // its address says that an error's payload is a Java exception

// Detaches the threads that were attached here when they end.
struct Attached {
  bool on = false;
  ~Attached() {
    if (on) g_methods.vm->DetachCurrentThread();
  }
};
thread_local Attached t_attached;

// The thread's environment; attaches it if it is none of Java's. nullptr when the JVM has ended.
JNIEnv* environment() {
  void* env = nullptr;
  if (g_methods.vm->GetEnv(&env, JNI_VERSION_10) == JNI_OK) return static_cast<JNIEnv*>(env);
  if (g_methods.vm->AttachCurrentThreadAsDaemon(&env, nullptr) != JNI_OK) return nullptr;
  t_attached.on = true;
  return static_cast<JNIEnv*>(env);
}

void free_reference(void* reference) { drop(reference); }

// The pending exception, which is cleared, as an error that carries it; nullptr if none is pending.
weft_status* take_exception(JNIEnv* env) {
  jthrowable thrown = env->ExceptionOccurred();
  if (thrown == nullptr) return nullptr;
  env->ExceptionClear();
  jint code = env->CallStaticIntMethod(g_methods.callbacks, g_methods.code, thrown);
  if (env->ExceptionCheck()) env->ExceptionClear(), code = WEFT_UNKNOWN;
  auto text = static_cast<jstring>(env->CallStaticObjectMethod(g_methods.callbacks, g_methods.describe, thrown));
  if (env->ExceptionCheck()) env->ExceptionClear(), text = nullptr;
  Text message(env, text);
  if (env->ExceptionCheck()) env->ExceptionClear();
  const char* words = message.ok() && message.get() != nullptr ? message.get() : "a Java exception";
  jobject held = env->NewGlobalRef(thrown);
  env->DeleteLocalRef(thrown);
  env->DeleteLocalRef(text);
  return weft_status_new(code, words, &kTag, held, held == nullptr ? nullptr : free_reference);
}

weft_status* no_jvm() { return weft_status_new(WEFT_UNAVAILABLE, "the JVM has ended", nullptr, nullptr, nullptr); }

}  // namespace

const Methods& methods() { return g_methods; }

bool check(JNIEnv* env, weft_status* status) {
  if (status == nullptr) return true;
  jstring message = new_string(env, weft_status_message(status));
  jstring node = message == nullptr ? nullptr : new_string(env, weft_status_node(status));
  jstring op = node == nullptr ? nullptr : new_string(env, weft_status_op(status));
  jstring origin = op == nullptr ? nullptr : new_string(env, weft_status_origin(status));
  auto cause = static_cast<jthrowable>(weft_status_payload(status, &kTag));
  if (origin != nullptr) {
    auto thrown = static_cast<jthrowable>(env->CallStaticObjectMethod(g_methods.callbacks, g_methods.error,
                                                                      weft_status_code(status), message, node, op,
                                                                      origin, weft_status_errno(status), cause));
    if (!env->ExceptionCheck()) env->Throw(thrown);
  }
  weft_status_free(status);
  return false;
}

void* hold(JNIEnv* env, jobject object) { return object == nullptr ? nullptr : env->NewGlobalRef(object); }

void drop(void* user) {
  JNIEnv* env = user == nullptr ? nullptr : environment();
  if (env != nullptr) env->DeleteGlobalRef(static_cast<jobject>(user));
}

weft_status* call_poll(void* user) {
  JNIEnv* env = environment();
  if (env == nullptr) return no_jvm();
  env->CallStaticVoidMethod(g_methods.callbacks, g_methods.poll, static_cast<jobject>(user));
  return take_exception(env);
}

void call_log(void* user, int32_t level, const char* text) {
  JNIEnv* env = environment();
  if (env == nullptr) return;
  jthrowable pending = env->ExceptionOccurred();  // a line may be logged while an error is on its way
  if (pending != nullptr) env->ExceptionClear();
  jstring line = new_string(env, text);
  if (line != nullptr) {
    env->CallStaticVoidMethod(g_methods.callbacks, g_methods.log, static_cast<jobject>(user), level, line);
  }
  if (env->ExceptionCheck()) env->ExceptionClear();
  env->DeleteLocalRef(line);
  if (pending != nullptr) env->Throw(pending);
}

weft_status* call_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                      const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
  JNIEnv* env = environment();
  if (env == nullptr) return no_jvm();
  jobjectArray texts = env->NewObjectArray(metric_count, g_methods.string, nullptr);
  jdoubleArray numbers = texts == nullptr ? nullptr : env->NewDoubleArray(metric_count);
  for (int32_t i = 0; numbers != nullptr && i < metric_count; ++i) {
    jstring name = new_string(env, names[i]);
    if (name == nullptr) {
      env->DeleteLocalRef(numbers);
      numbers = nullptr;
    } else {
      env->SetObjectArrayElement(texts, i, name);
      env->DeleteLocalRef(name);
    }
  }
  if (numbers == nullptr) {
    env->DeleteLocalRef(texts);
    return take_exception(env);
  }
  env->SetDoubleArrayRegion(numbers, 0, metric_count, averages);
  jboolean stop = env->CallStaticBooleanMethod(g_methods.callbacks, g_methods.fit, static_cast<jobject>(user), event,
                                               static_cast<jlong>(epoch), static_cast<jlong>(batch),
                                               static_cast<jlong>(batch_count), texts, numbers);
  weft_status* failed = take_exception(env);
  if (failed == nullptr) *out_stop = stop ? 1 : 0;
  env->DeleteLocalRef(numbers);
  env->DeleteLocalRef(texts);
  return failed;
}

weft_status* call_batch(void* user, weft_tensors* out_batch) {
  JNIEnv* env = environment();
  if (env == nullptr) return no_jvm();
  env->CallStaticVoidMethod(g_methods.callbacks, g_methods.batch, static_cast<jobject>(user), to_long(out_batch));
  return take_exception(env);
}

void drop_batch(void* user) {
  JNIEnv* env = user == nullptr ? nullptr : environment();
  if (env == nullptr) return;
  jthrowable pending = env->ExceptionOccurred();  // as when a line is logged
  if (pending != nullptr) env->ExceptionClear();
  env->CallStaticVoidMethod(g_methods.callbacks, g_methods.end, static_cast<jobject>(user));
  if (env->ExceptionCheck()) env->ExceptionClear();
  env->DeleteGlobalRef(static_cast<jobject>(user));
  if (pending != nullptr) env->Throw(pending);
}

weft_status* call_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  JNIEnv* env = environment();
  if (env == nullptr) return no_jvm();
  jlong made = env->CallStaticLongMethod(g_methods.callbacks, g_methods.pass, static_cast<jobject>(user),
                                         static_cast<jlong>(epoch));
  weft_status* failed = take_exception(env);
  if (failed == nullptr) *out_batches = to_pointer<weft_batches>(made);
  return failed;
}

weft_status* call_host(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                       int32_t output_count) {
  JNIEnv* env = environment();
  if (env == nullptr) return no_jvm();
  jlongArray in = env->NewLongArray(input_count);
  jlongArray out = in == nullptr ? nullptr : env->NewLongArray(output_count);
  if (out == nullptr) {
    env->DeleteLocalRef(in);
    return take_exception(env);
  }
  for (int32_t i = 0; i < input_count; ++i) {
    jlong handle = to_long(inputs[i]);
    env->SetLongArrayRegion(in, i, 1, &handle);
  }
  env->CallStaticVoidMethod(g_methods.callbacks, g_methods.host, static_cast<jobject>(user), in, out);
  weft_status* failed = take_exception(env);
  for (int32_t i = 0; failed == nullptr && i < output_count; ++i) {
    jlong handle = 0;
    env->GetLongArrayRegion(out, i, 1, &handle);
    out_tensors[i] = to_pointer<weft_tensor>(handle);
  }
  env->DeleteLocalRef(in);
  env->DeleteLocalRef(out);
  return failed;
}

weft_status* call_body(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                       const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  JNIEnv* env = environment();
  if (env == nullptr) {
    weft_graph_free(graph);
    return no_jvm();
  }
  jlongArray in = env->NewLongArray(input_count);
  jlongArray out = in == nullptr ? nullptr : env->NewLongArray(output_count);
  if (out == nullptr) {
    env->DeleteLocalRef(in);
    weft_graph_free(graph);
    return take_exception(env);
  }
  static_assert(sizeof(jlong) == sizeof(int64_t));
  env->SetLongArrayRegion(in, 0, input_count, reinterpret_cast<const jlong*>(inputs));
  env->CallStaticVoidMethod(g_methods.callbacks, g_methods.body, static_cast<jobject>(user), to_long(graph), in,
                            to_long(attrs), out);
  weft_status* failed = take_exception(env);
  if (failed == nullptr) env->GetLongArrayRegion(out, 0, output_count, reinterpret_cast<jlong*>(out_values));
  env->DeleteLocalRef(in);
  env->DeleteLocalRef(out);
  return failed;
}

namespace {

// A reference that lasts; null with an exception if there is no such class.
jclass find_class(JNIEnv* env, const char* name) {
  jclass found = env->FindClass(name);
  auto kept = found == nullptr ? nullptr : static_cast<jclass>(env->NewGlobalRef(found));
  env->DeleteLocalRef(found);
  return kept;
}

}  // namespace

bool load_methods(JNIEnv* env) {
  Methods& m = g_methods;
  if (env->GetJavaVM(&m.vm) != JNI_OK) return false;
  m.callbacks = find_class(env, "io/weft/Callbacks");
  m.string = m.callbacks == nullptr ? nullptr : find_class(env, "java/lang/String");
  if (m.string == nullptr) return false;
  const struct {
    jmethodID* id;
    const char *name, *signature;
  } wanted[] = {
      {&m.error, "error",
       "(ILjava/lang/String;Ljava/lang/String;Ljava/lang/String;Ljava/lang/String;ILjava/lang/Throwable;)"
       "Ljava/lang/Throwable;"},
      {&m.describe, "describe", "(Ljava/lang/Throwable;)Ljava/lang/String;"},
      {&m.code, "code", "(Ljava/lang/Throwable;)I"},
      {&m.poll, "poll", "(Ljava/lang/Object;)V"},
      {&m.log, "log", "(Ljava/lang/Object;ILjava/lang/String;)V"},
      {&m.fit, "fit", "(Ljava/lang/Object;IJJJ[Ljava/lang/String;[D)Z"},
      {&m.batch, "batch", "(Ljava/lang/Object;J)V"},
      {&m.end, "end", "(Ljava/lang/Object;)V"},
      {&m.pass, "pass", "(Ljava/lang/Object;J)J"},
      {&m.host, "host", "(Ljava/lang/Object;[J[J)V"},
      {&m.body, "body", "(Ljava/lang/Object;J[JJ[J)V"},
  };
  for (const auto& method : wanted) {
    *method.id = env->GetStaticMethodID(m.callbacks, method.name, method.signature);
    if (*method.id == nullptr) return false;
  }
  return true;
}

}  // namespace weft_jni

extern "C" {

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void*) {
  void* env = nullptr;
  if (vm->GetEnv(&env, JNI_VERSION_10) != JNI_OK) return JNI_ERR;
  return weft_jni::load_methods(static_cast<JNIEnv*>(env)) ? JNI_VERSION_10 : JNI_ERR;
}

// A buffer over `size` bytes at `address`, which the caller keeps alive.
JNIEXPORT jobject JNICALL Java_io_weft_Memory_view(JNIEnv* env, jclass, jlong address, jlong size) {
  static char nothing;
  void* at = weft_jni::to_pointer<void>(address);
  return env->NewDirectByteBuffer(at == nullptr ? &nothing : at, size);
}

// Where a direct buffer's memory begins.
JNIEXPORT jlong JNICALL Java_io_weft_Memory_address(JNIEnv* env, jclass, jobject buffer) {
  return weft_jni::to_long(env->GetDirectBufferAddress(buffer));
}

}  // extern "C"
