// Conversions between Java's objects and the C ABI, and errors thrown to Java.
#include "support.h"

#include <cstring>
#include <new>

namespace weft_jni {

void throw_new(JNIEnv* env, const char* type, const char* message) {
  jclass found = env->FindClass(type);
  if (found == nullptr) return;
  env->ThrowNew(found, message);
  env->DeleteLocalRef(found);
}

namespace {

void throw_out_of_memory(JNIEnv* env) { throw_new(env, "java/lang/OutOfMemoryError", "native memory"); }

bool is_high(jchar c) { return c >= 0xD800 && c < 0xDC00; }
bool is_low(jchar c) { return c >= 0xDC00 && c < 0xE000; }

// Writes UTF-16 as UTF-8. Returns the end; nullptr at half of a surrogate pair.
char* encode(const jchar* in, jsize count, char* out) {
  for (jsize i = 0; i < count; ++i) {
    uint32_t c = in[i];
    if (is_high(in[i]) && i + 1 < count && is_low(in[i + 1])) {
      c = 0x10000 + ((c - 0xD800) << 10) + (in[++i] - 0xDC00);
    } else if (is_high(in[i]) || is_low(in[i])) {
      return nullptr;
    }
    if (c < 0x80) {
      *out++ = static_cast<char>(c);
      continue;
    }
    if (c < 0x800) {
      *out++ = static_cast<char>(0xC0 | (c >> 6));
    } else {
      if (c < 0x10000) {
        *out++ = static_cast<char>(0xE0 | (c >> 12));
      } else {
        *out++ = static_cast<char>(0xF0 | (c >> 18));
        *out++ = static_cast<char>(0x80 | ((c >> 12) & 63));
      }
      *out++ = static_cast<char>(0x80 | ((c >> 6) & 63));
    }
    *out++ = static_cast<char>(0x80 | (c & 63));
  }
  return out;
}

// Reads one code point of UTF-8; a damaged byte gives U+FFFD.
uint32_t decode(const unsigned char*& at) {
  unsigned char first = *at++;
  if (first < 0x80) return first;
  int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  if (first < 0xC2 || first > 0xF4) return 0xFFFD;
  uint32_t c = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if ((*at & 0xC0) != 0x80) return 0xFFFD;
    c = (c << 6) | (*at++ & 63);
  }
  return c > 0x10FFFF ? 0xFFFD : c;
}

}  // namespace

Text::Text(JNIEnv* env, jstring text) {
  if (text == nullptr) return;
  jsize count = env->GetStringLength(text);
  jchar small[64];
  size_t bytes = static_cast<size_t>(count) * 3 + 1;
  jchar* units = count <= 64 ? small : new (std::nothrow) jchar[static_cast<size_t>(count)];
  bytes_ = bytes <= sizeof(inline_) ? inline_ : new (std::nothrow) char[bytes];
  if (units != nullptr && bytes_ != nullptr) {
    env->GetStringRegion(text, 0, count, units);
    char* end = encode(units, count, bytes_);
    if (end == nullptr) {
      ok_ = false;
      throw_new(env, "java/lang/IllegalArgumentException",
                "a string with half of a surrogate pair cannot be used here");
    } else if (*end = '\0'; std::memchr(bytes_, 0, static_cast<size_t>(end - bytes_)) != nullptr) {
      ok_ = false;
      throw_new(env, "java/lang/IllegalArgumentException", "a string with a NUL character in it cannot be used here");
    }
  } else {
    ok_ = false;
    throw_out_of_memory(env);
  }
  if (units != small) delete[] units;
}

Text::~Text() {
  if (bytes_ != inline_) delete[] bytes_;
}

Texts::Texts(JNIEnv* env, jobjectArray texts) {
  if (texts == nullptr) return;
  jint count = env->GetArrayLength(texts);
  size_t room = static_cast<size_t>(count) + 1;
  texts_ = new (std::nothrow) Text*[room]();
  pointers_ = new (std::nothrow) const char*[room]();
  ok_ = texts_ != nullptr && pointers_ != nullptr;
  for (; ok_ && count_ < count; ++count_) {
    jstring item = static_cast<jstring>(env->GetObjectArrayElement(texts, count_));
    texts_[count_] = new (std::nothrow) Text(env, item);
    env->DeleteLocalRef(item);
    ok_ = texts_[count_] != nullptr && texts_[count_]->ok();
    pointers_[count_] = ok_ ? texts_[count_]->get() : nullptr;
  }
  if (!ok_ && !env->ExceptionCheck()) throw_out_of_memory(env);
}

Texts::~Texts() {
  for (jint i = 0; texts_ != nullptr && i < count_; ++i) delete texts_[i];
  delete[] texts_;
  delete[] pointers_;
}

Blobs::Blobs(JNIEnv* env, jobjectArray arrays) {
  if (arrays == nullptr) return;
  count_ = env->GetArrayLength(arrays);
  size_t room = static_cast<size_t>(count_) + 1;
  pointers_ = new (std::nothrow) const char*[room]();
  sizes_ = new (std::nothrow) int64_t[room]();
  ok_ = pointers_ != nullptr && sizes_ != nullptr;
  size_t total = 0;
  for (jint i = 0; ok_ && i < count_; ++i) {
    auto item = static_cast<jbyteArray>(env->GetObjectArrayElement(arrays, i));
    sizes_[i] = item == nullptr ? 0 : env->GetArrayLength(item);
    total += static_cast<size_t>(sizes_[i]);
    env->DeleteLocalRef(item);
  }
  if (ok_) bytes_ = new (std::nothrow) char[total + 1];
  ok_ = ok_ && bytes_ != nullptr;
  char* at = bytes_;
  for (jint i = 0; ok_ && i < count_; ++i) {
    auto item = static_cast<jbyteArray>(env->GetObjectArrayElement(arrays, i));
    if (item == nullptr) continue;
    env->GetByteArrayRegion(item, 0, static_cast<jsize>(sizes_[i]), reinterpret_cast<jbyte*>(at));
    env->DeleteLocalRef(item);
    pointers_[i] = at;
    at += sizes_[i];
  }
  if (!ok_ && !env->ExceptionCheck()) throw_out_of_memory(env);
}

Blobs::~Blobs() {
  delete[] bytes_;
  delete[] pointers_;
  delete[] sizes_;
}

namespace {
void load(JNIEnv* env, jlongArray array, jint count, int64_t* to) {
  static_assert(sizeof(jlong) == sizeof(int64_t));
  env->GetLongArrayRegion(array, 0, count, reinterpret_cast<jlong*>(to));
}
void load(JNIEnv* env, jintArray array, jint count, int32_t* to) { env->GetIntArrayRegion(array, 0, count, to); }
void load(JNIEnv* env, jdoubleArray array, jint count, double* to) { env->GetDoubleArrayRegion(array, 0, count, to); }
void save(JNIEnv* env, jlongArray array, jint count, const int64_t* from) {
  env->SetLongArrayRegion(array, 0, count, reinterpret_cast<const jlong*>(from));
}
void save(JNIEnv* env, jintArray array, jint count, const int32_t* from) {
  env->SetIntArrayRegion(array, 0, count, from);
}
void save(JNIEnv* env, jdoubleArray array, jint count, const double* from) {
  env->SetDoubleArrayRegion(array, 0, count, from);
}
}  // namespace

template <typename J, typename E>
Numbers<J, E>::Numbers(JNIEnv* env, J array) : array_(array) {
  if (array == nullptr) return;
  count_ = env->GetArrayLength(array);
  values_ = count_ <= 16 ? inline_ : new (std::nothrow) E[static_cast<size_t>(count_)];
  if (values_ == nullptr) {
    ok_ = false;
    throw_out_of_memory(env);
    return;
  }
  load(env, array, count_, values_);
}

template <typename J, typename E>
void Numbers<J, E>::store(JNIEnv* env) const {
  if (array_ != nullptr) save(env, array_, count_, values_);
}

template class Numbers<jlongArray, int64_t>;
template class Numbers<jintArray, int32_t>;
template class Numbers<jdoubleArray, double>;

bool check_count(JNIEnv* env, const char* name, jint count, jint wanted) {
  if (count >= wanted) return true;
  throw_new(env, "java/lang/IllegalArgumentException", name);
  return false;
}

jstring new_string(JNIEnv* env, const char* text) {
  if (text == nullptr) return nullptr;
  size_t bytes = std::strlen(text);
  jchar small[256] = {};
  jchar* units = bytes <= 256 ? small : new (std::nothrow) jchar[bytes];
  if (units == nullptr) {
    throw_out_of_memory(env);
    return nullptr;
  }
  jsize count = 0;
  const auto* at = reinterpret_cast<const unsigned char*>(text);
  const auto* end = at + bytes;
  while (at < end) {
    uint32_t c = decode(at);
    if (c >= 0x10000) {
      units[count++] = static_cast<jchar>(0xD800 + ((c - 0x10000) >> 10));
      c = 0xDC00 + ((c - 0x10000) & 0x3FF);
    }
    units[count++] = static_cast<jchar>(c);
  }
  jstring made = env->NewString(units, count);
  if (units != small) delete[] units;
  return made;
}

jbyteArray new_bytes(JNIEnv* env, const char* text, int64_t size) {
  if (text == nullptr) return nullptr;
  if (size > INT32_MAX) {
    throw_new(env, "java/lang/OutOfMemoryError", "a string is longer than a Java array can be");
    return nullptr;
  }
  jbyteArray made = env->NewByteArray(static_cast<jsize>(size));
  if (made != nullptr) {
    env->SetByteArrayRegion(made, 0, static_cast<jsize>(size), reinterpret_cast<const jbyte*>(text));
  }
  return made;
}

}  // namespace weft_jni
