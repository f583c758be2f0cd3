// Any numbers as a tensor of another library: type, shape, strides, flags, where its elements begin. It is taken, and given on
// from there, or refused and left alone. The memory is as large as the shape says, or the elements are not looked at: that is
// all that nobody can check.
#include "core/tensor/dlpack.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "tests/fuzz/readers.h"

namespace weft {
namespace {

using namespace dlpack;

constexpr size_t kBytes = 512;
constexpr size_t kMostDimensions = 64;

template <typename Managed>
struct Foreign {
  alignas(64) unsigned char memory[kBytes] = {};
  std::vector<int64_t> shape, strides;
  int deletions = 0;
  Managed managed{};

  Foreign(Numbers& numbers, uint64_t flags) {
    DLTensor& dl = managed.dl_tensor;
    dl.data = (flags & 2) != 0 ? nullptr : memory;
    // Mostly of the CPU, number 0.
    dl.device = {static_cast<int32_t>(1 + numbers.next(1) % 200 / 198), static_cast<int32_t>(numbers.next(1))};
    dl.ndim = static_cast<int8_t>(numbers.next(1));
    dl.dtype = {static_cast<uint8_t>(numbers.next(1)), static_cast<uint8_t>(numbers.next(1)),
                static_cast<uint16_t>(numbers.next(2))};
    dl.byte_offset = (flags & 32) != 0 ? numbers.next(8) : numbers.next(1);
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
      managed.version = {static_cast<uint32_t>(numbers.next(1)), static_cast<uint32_t>(numbers.next(1))};
      managed.flags = numbers.next(1);
    }
    // Exactly as many as a tensor may have: more must not be looked at.
    const size_t rank = dl.ndim < 0 ? 0 : std::min(static_cast<size_t>(dl.ndim), kMostDimensions);
    const size_t bytes = (flags & 64) != 0 ? 8 : 1;
    for (size_t i = 0; i < rank; ++i) shape.push_back(static_cast<int64_t>(numbers.next(bytes)));
    for (size_t i = 0; i < rank; ++i) strides.push_back(static_cast<int64_t>(numbers.next(bytes)));
    dl.shape = (flags & 4) != 0 ? nullptr : shape.data();
    dl.strides = (flags & 8) != 0 ? nullptr : strides.data();
    managed.manager_ctx = this;
    if ((flags & 16) != 0) return;  // nothing to call
    managed.deleter = [](Managed* self) { ++static_cast<Foreign*>(self->manager_ctx)->deletions; };
  }
};

// Reads what lies in the memory for sure.
void read(const Tensor& tensor, const unsigned char* memory) {
  const auto* data = static_cast<const unsigned char*>(tensor.data());
  if (tensor.count() == 0 || data < memory || data > memory + kBytes) return;
  if (tensor.bytes() > memory + kBytes - data) return;
  std::vector<unsigned char> copy(data, data + tensor.bytes());
  must(std::memcmp(copy.data(), data, copy.size()) == 0);
}

template <typename Managed>
void give_on(const Tensor& tensor) {
  Result<Managed*> made = [&]() -> Result<Managed*> {
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
      return to_dlpack(tensor);
    } else {
      return to_dlpack_unversioned(tensor);
    }
  }();
  must_be_fair(made.status());
  if (!made.ok()) return;
  const Result<Tensor> again = from_dlpack(*made);
  must(again.ok() && again->shape() == tensor.shape() && again->dtype() == tensor.dtype());
}

template <typename Managed>
void take(Numbers numbers, uint64_t flags) {
  Foreign<Managed> foreign(numbers, flags);
  {
    const Result<Tensor> tensor = from_dlpack(&foreign.managed);
    must_be_fair(tensor.status());
    must(foreign.deletions == 0);
    if (!tensor.ok()) return;
    read(*tensor, foreign.memory);
    give_on<DLManagedTensor>(*tensor);
    give_on<DLManagedTensorVersioned>(*tensor);
    must(foreign.deletions == 0);
  }
  must(foreign.deletions == ((flags & 16) == 0 ? 1 : 0));
}

}  // namespace

void fuzz(std::string_view bytes) {
  Numbers numbers(bytes);
  const uint64_t flags = numbers.next(1);
  if ((flags & 1) != 0)
    take<DLManagedTensorVersioned>(numbers, flags);
  else
    take<DLManagedTensor>(numbers, flags);
}

}  // namespace weft
