// Functions of the caller's language that HostCall nodes run.
#include "core/exec/host_functions.h"

#include <map>
#include <mutex>

namespace weft {

namespace {
struct Table {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const HostFunction>, std::less<>> functions;
};
// Never destroyed: bindings may drop their functions while the process ends.
Table& table() {
  static Table* table = new Table;
  return *table;
}
}  // namespace

void set_host_function(std::string_view name, std::shared_ptr<const HostFunction> function) {
  std::shared_ptr<const HostFunction> old;  // dropped outside the lock
  std::lock_guard lock(table().mutex);
  std::swap(table().functions[std::string(name)], function);
  old = std::move(function);
}

void remove_host_function(std::string_view name) {
  std::shared_ptr<const HostFunction> old;
  std::lock_guard lock(table().mutex);
  auto at = table().functions.find(name);
  if (at == table().functions.end()) return;
  old = std::move(at->second);
  table().functions.erase(at);
}

std::shared_ptr<const HostFunction> find_host_function(std::string_view name) {
  std::lock_guard lock(table().mutex);
  auto at = table().functions.find(name);
  return at == table().functions.end() ? nullptr : at->second;
}

}  // namespace weft
