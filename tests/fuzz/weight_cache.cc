// Damage to the files in a folder of packed weights: what is found there is what was put there, or it is made again. The first
// byte chooses a file, the next three its length; then come changes of four bytes: where, in three, and what stands there.
#include <cstring>
#include <filesystem>

#include "core/tensor/form_cache.h"
#include "tests/fuzz/readers.h"

namespace weft {
namespace {

constexpr int64_t kBytes = FormCache::kLeastBytes + 100;
constexpr int64_t kPart = 4096;                               // of the file whose digest is remembered
constexpr int64_t kSettled = -int64_t{3600} * 1'000'000'000;  // every file has been as it is for long

// A folder with one form and the digest of one file, as they should be.
struct Whole {
  std::shared_ptr<Buffer> constant = *Buffer::allocate(16);
  std::shared_ptr<const FileBytes> weights = *map_file(put("weights", std::string(kPart, 'w')));
  const std::string folder = scratch() / "cache";
  std::string names[2], texts[2];  // of the form's file, and of that of digests

  Whole() {
    std::memset(constant->data(), 1, 16);
    const std::shared_ptr<FormCache> cache = *FormCache::open(folder, kSettled);
    ask(*cache);
    digest(*cache);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const int which = entry.path().extension() == ".form" ? 0 : 1;
      names[which] = "cache/" + entry.path().filename().string();
      texts[which] = (*read_file(entry.path().string()))->text();
    }
    must(!texts[0].empty() && !texts[1].empty());
  }

  void ask(FormCache& cache) const {
    const auto make = [](void* to) {
      std::memset(to, 'a', static_cast<size_t>(kBytes));
      return Status();
    };
    const Result<std::shared_ptr<const Buffer>> form = cache.form(*constant, "turned", kBytes, make);
    must(form.ok() && (*form)->bytes() == kBytes);
    const std::string_view found(static_cast<const char*>((*form)->data()), static_cast<size_t>(kBytes));
    must(found.find_first_not_of('a') == std::string_view::npos);
  }
  Digest digest(FormCache& cache) const {
    const Digest found = cache.digest_in_file(*weights, 0, kPart);
    cache.remember();
    return found;
  }
};

std::string damaged(std::string text, Numbers numbers) {
  const uint64_t size = numbers.next(3);
  if (size != 0xffffff) text.resize(size % (2 * text.size()));
  while (!numbers.empty()) {
    const uint64_t at = numbers.next(3);
    const char byte = static_cast<char>(numbers.next(1));
    if (!text.empty()) text[at % text.size()] = byte;
  }
  return text;
}

}  // namespace

void fuzz(std::string_view bytes) {
  static const Whole whole;
  Numbers numbers(bytes);
  // Of digests, so that they are read: with one of their own that is right.
  const uint64_t how = numbers.next(1) % 3;
  const size_t which = how == 0 ? 0 : 1;
  std::string text = damaged(whole.texts[which], numbers);
  if (how == 2 && text.size() >= sizeof(Digest)) {
    const size_t before = text.size() - sizeof(Digest);
    const Digest right = digest_of(std::string_view(text).substr(0, before));
    std::memcpy(text.data() + before, &right, sizeof right);
  }
  put(whole.names[which], text);
  const std::shared_ptr<FormCache> cache = *FormCache::open(whole.folder, kSettled);
  whole.ask(*cache);
  const Digest digest = whole.digest(*cache);
  must(how == 2 || digest == digest_of(whole.weights->data(), kPart));
  put(whole.names[which], whole.texts[which]);
}

}  // namespace weft
