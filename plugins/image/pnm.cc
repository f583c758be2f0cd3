// PBM, PGM and PPM, as text and as bytes.
#include <vector>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

class Reader {
 public:
  explicit Reader(const Picture& picture) : bytes_(picture.bytes()), count_(picture.count()) {}

  size_t left() const { return count_ - at_; }
  uint8_t byte() {
    if (at_ == count_) throw Broken("PNM: the file ends too early");
    return bytes_[at_++];
  }
  void skip(size_t count) { at_ += count; }
  const uint8_t* here() const { return bytes_ + at_; }

  // White space, and comments to the ends of their lines.
  void skip_blanks() {
    while (at_ < count_) {
      if (bytes_[at_] == '#') {
        while (at_ < count_ && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
      } else if (is_blank(bytes_[at_])) {
        ++at_;
      } else {
        return;
      }
    }
  }

  // A number of at most `most`.
  uint32_t number(uint32_t most) {
    skip_blanks();
    uint64_t value = 0;
    bool any = false;
    while (at_ < count_ && is_digit(bytes_[at_])) {
      value = value * 10 + (bytes_[at_++] - '0');
      any = true;
      if (value > most) throw Broken("PNM: a number is too large");
    }
    if (!any) throw Broken(at_ == count_ ? "PNM: the file ends too early" : "PNM: no number where one should be");
    return static_cast<uint32_t>(value);
  }

  // A pixel of PBM as text, where nothing needs to stand between two.
  bool bit() {
    skip_blanks();
    const uint8_t c = byte();
    if (c != '0' && c != '1') throw Broken("PNM: a pixel that is neither 0 nor 1");
    return c == '1';
  }

 private:
  const uint8_t* bytes_;
  size_t count_, at_ = 2;
};

}  // namespace

void decode_pnm(Picture& picture) {
  Reader reader(picture);
  const int kind = picture.bytes()[1] - '0';
  const bool text = kind <= 3, bits = kind == 1 || kind == 4, color = kind == 3 || kind == 6;
  const uint32_t width = reader.number(INT32_MAX), height = reader.number(INT32_MAX);
  const uint32_t most = bits ? 1 : reader.number(65535);
  if (most == 0) throw Broken("PNM: the largest sample is 0");
  if (!text && !is_blank(reader.byte())) throw Broken("PNM: no white space before the pixels");
  picture.check(width, height);
  const size_t samples = size_t{width} * (color ? 3 : 1), bytes = most > 255 ? 2 : 1;
  // As text every sample is a digit at least.
  const size_t row_bytes = text ? samples : bits ? (size_t{width} + 7) / 8 : samples * bytes;
  if (reader.left() / row_bytes < height) throw Broken("PNM: the file ends too early");
  picture.begin(width, height);
  std::vector<uint8_t> row(samples);
  for (int64_t y = 0; y < picture.height(); ++y) {
    const uint8_t* from = reader.here();
    for (size_t i = 0; i < samples; ++i) {
      if (bits) {
        const bool black = text ? reader.bit() : (from[i / 8] >> (7 - i % 8) & 1) != 0;
        row[i] = black ? 0 : 255;
        continue;
      }
      const uint32_t value = text         ? reader.number(most)
                             : bytes == 2 ? uint32_t{from[2 * i]} << 8 | from[2 * i + 1]
                                          : from[i];
      if (value > most) throw Broken("PNM: a sample is too large");
      row[i] = static_cast<uint8_t>((value * 255 + most / 2) / most);
    }
    if (!text) reader.skip(row_bytes);
    if (color)
      picture.color_row(y, row.data());
    else
      picture.gray_row(y, row.data());
  }
}

}  // namespace weft_image
