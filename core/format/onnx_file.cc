// The bytes of an ONNX model.
#include "core/format/onnx_file.h"

#include <algorithm>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

#include "core/base/text.h"

namespace weft::onnx {

namespace {
// Smaller ones are not worth a call of their own, or a page.
constexpr int64_t kLarge = int64_t{1} << 16;
constexpr int64_t kReadAhead = 4096;
}  // namespace

// Walks ModelProto.graph (7), its initializers (5) and their raw_data (9), and reads to where it belongs what lies between
// large raw_data. What it does not understand it reads whole: whoever takes the messages apart says what is wrong.
class ModelFile::Scan {
 public:
  Scan(const FileReader& reader, char* to, std::vector<Hole>* holes)
      : reader_(reader), to_(to), size_(reader.size()), holes_(*holes) {}

  Status run() {
    WEFT_TRY(bool understood, message(0, size_, 0));
    (void)understood;
    return read_to(size_);
  }

 private:
  static constexpr uint64_t kPath[] = {7, 5, 9};

  // Everything before `end` that is in no hole is there afterwards.
  Status read_to(int64_t end) {
    if (end <= done_) return {};
    WEFT_CHECK(reader_.read_at(done_, to_ + done_, end - done_));
    done_ = end;
    return {};
  }

  // False where the bytes are no message.
  Result<bool> message(int64_t begin, int64_t end, int depth) {
    for (int64_t at = begin; at < end;) {
      uint64_t key = 0, length = 0;
      WEFT_TRY(bool is_key, number(&at, end, &key));
      if (!is_key) return false;
      switch (key & 7) {
        case 0: {
          WEFT_TRY(bool is_number, number(&at, end, &length));
          if (!is_number) return false;
          continue;
        }
        case 1: length = 8; break;
        case 5: length = 4; break;
        case 2: {
          WEFT_TRY(bool is_number, number(&at, end, &length));
          if (!is_number) return false;
          break;
        }
        default: return false;
      }
      if (length > static_cast<uint64_t>(end - at)) return false;
      const int64_t payload = at;
      at += static_cast<int64_t>(length);
      if ((key & 7) != 2 || key >> 3 != kPath[depth]) continue;
      if (depth < 2) {
        WEFT_TRY(bool understood, message(payload, at, depth + 1));
        if (!understood) return false;
      } else if (at - payload >= kLarge) {
        WEFT_CHECK(read_to(payload));
        holes_.push_back({payload, at - payload});
        done_ = std::max(done_, at);
      }
    }
    return true;
  }

  Result<bool> number(int64_t* at, int64_t end, uint64_t* out) {
    const int64_t most = std::min(end, *at + protozero::max_varint_length);
    if (most > done_) WEFT_CHECK(read_to(std::min(size_, *at + kReadAhead)));
    const char* begin = to_ + *at;
    const char* p = begin;
    try {
      *out = protozero::decode_varint(&p, to_ + most);
    } catch (const protozero::exception&) {
      return false;
    }
    *at += p - begin;
    return true;
  }

  const FileReader& reader_;
  char* to_;
  int64_t size_;
  int64_t done_ = 0;
  std::vector<Hole>& holes_;
};

Result<ModelFile> ModelFile::open(const std::string& path, bool map) {
  ModelFile out{std::string_view()};
  if (map) {
    WEFT_TRY(out.mapped_, map_file(path));
    out.bytes_ = out.mapped_->text();
    return out;
  }
  WEFT_TRY(FileReader reader, FileReader::open(path));
  out.reader_ = std::make_shared<const FileReader>(std::move(reader));
  const int64_t size = out.reader_->size();
  if (size == 0) return out;
  WEFT_TRY(out.pages_, ReservedPages::make(size));
  WEFT_CHECK(Scan(*out.reader_, out.pages_->data(), &out.holes_).run());
  out.bytes_ = {out.pages_->data(), static_cast<size_t>(size)};
  return out;
}

Result<Tensor> ModelFile::tensor(DType dtype, Shape shape, std::string_view raw) const {
  const int64_t offset = raw.data() - bytes_.data(), bytes = static_cast<int64_t>(raw.size());
  if (mapped_ != nullptr && bytes >= kLarge && dtype != DType::kBool) {
    return Tensor::in_file(dtype, std::move(shape), mapped_, offset);
  }
  auto hole = std::lower_bound(holes_.begin(), holes_.end(), offset,
                               [](const Hole& hole, int64_t offset) { return hole.begin < offset; });
  if (hole == holes_.end() || hole->begin != offset) {
    return Tensor::from_bytes(dtype, std::move(shape), raw.data(), bytes);
  }
  WEFT_TRY(Tensor out, Tensor::make(dtype, std::move(shape)));
  WEFT_CHECK(reader_->read_at(offset, out.mutable_data(), bytes));
  return out;
}

}  // namespace weft::onnx
