// Shared libraries that are loaded while the process runs.
#include "core/base/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace weft {

namespace {

// The folder of the library, or of the program, that this code is in, with its last '/'; empty if it is not known.
std::string own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&open_library), &info) == 0 || info.dli_fname == nullptr) return {};
  const std::unique_ptr<char, void (*)(void*)> path(realpath(info.dli_fname, nullptr), std::free);
  const std::string file = path != nullptr ? path.get() : info.dli_fname;
  return file.substr(0, file.rfind('/') + 1);
}

// How every table begins.
struct Head {
  size_t struct_size;
  int32_t version;
};

}  // namespace

Result<void*> open_library(const std::string& path) {
  if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  const char* why = dlerror();
  return not_found(why != nullptr ? why : "no reason is given");
}

void close_library(void* library) { dlclose(library); }

void* library_symbol(void* library, const char* name) { return dlsym(library, name); }

Result<const void*> Companion::load() const {
  const std::string folder = own_folder(), beside = folder + name_;
  const bool is_beside = !folder.empty() && access(beside.c_str(), F_OK) == 0;
  const std::string& path = is_beside ? beside : name_;
  Result<void*> library = open_library(path);
  if (!library.ok() && is_beside)
    return failed_precondition("it needs '", beside, "', which cannot be loaded: ", library.status().message());
  if (!library.ok()) {
    return failed_precondition("it needs ", name_, ", a library that comes with this one. It is neither in '", folder,
                               "' nor where the system looks for libraries (", library.status().message(),
                               "). Copy the one of this version there; Weft is built with it if WEFT_PLUGINS is on");
  }
  auto* const open = library_function<const Head* (*)()>(*library, function_);
  const Head* table = open != nullptr ? open() : nullptr;
  if (table == nullptr || table->version != version_ || table->struct_size < size_) {
    Status status = table == nullptr ? failed_precondition("'", path, "' is no library of Weft's: it lacks ", function_)
                                     : failed_precondition("'", path, "' has version ", table->version, " of ",
                                                           function_, " but this library needs ", version_,
                                                           "; install both from the same release");
    close_library(*library);
    return status;
  }
  return static_cast<const void*>(table);
}

Result<const void*> Companion::table() {
  if (const void* known = table_.load(std::memory_order_acquire)) return known;
  WEFT_TRY(const void* loaded, load());
  // Several threads may be here: the system gives them all the same library.
  table_.store(loaded, std::memory_order_release);
  return loaded;
}

}  // namespace weft
