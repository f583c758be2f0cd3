// BMP of Windows and OS/2: palettes, 16, 24 and 32 bits, run lengths. Transparency is left out.
#include <algorithm>
#include <array>
#include <vector>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

constexpr uint32_t kRunLength8 = 1, kRunLength4 = 2, kBitFields = 3, kAlphaBitFields = 6;

// A part of a pixel's bits.
struct Field {
  uint32_t mask;

  uint8_t of(uint32_t pixel) const {
    if (mask == 0) return 0;
    const int shift = __builtin_ctz(mask);
    return to_byte((pixel & mask) >> shift, mask >> shift);
  }
};

class Bitmap {
 public:
  explicit Bitmap(Picture& picture) : picture_(picture) { read_header(); }

  void decode() {
    picture_.check(width_, height_);
    if (compression_ == kRunLength8 || compression_ == kRunLength4) {
      decode_runs();
    } else {
      decode_rows();
    }
  }

 private:
  uint32_t number(size_t at, size_t bytes) const {
    if (at + bytes > picture_.count()) throw Broken("BMP: the file ends too early");
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value |= uint32_t{picture_.bytes()[at + i]} << (8 * i);
    return value;
  }

  void read_header() {
    pixels_at_ = number(10, 4);
    const size_t header = number(14, 4);
    const bool core = header == 12;
    if (!core && (header < 40 || header > 4096)) throw Broken("BMP: a header that is not known");
    const auto size = [&](size_t at) -> int64_t { return static_cast<int32_t>(number(at, 4)); };
    width_ = core ? number(18, 2) : size(18);
    height_ = core ? number(20, 2) : size(22);
    bits_ = number(core ? 24 : 28, 2);
    compression_ = core ? 0 : number(30, 4);
    if (height_ < 0) {
      from_top_ = true;
      height_ = -height_;
    }
    size_t palette_at = 14 + header;
    if (compression_ == kBitFields || compression_ == kAlphaBitFields) {
      if (bits_ != 16 && bits_ != 32)
        throw Broken("BMP: fields of bits in pixels of " + std::to_string(bits_) + " bits");
      for (size_t i = 0; i < 3; ++i) fields_[i].mask = number(54 + 4 * i, 4);
    } else if (compression_ == 0) {
      fields_ = bits_ == 16 ? std::array<Field, 3>{{{0x7c00}, {0x3e0}, {0x1f}}}
                            : std::array<Field, 3>{{{0xff0000}, {0xff00}, {0xff}}};
    } else if (!(compression_ == kRunLength8 && bits_ == 8) && !(compression_ == kRunLength4 && bits_ == 4)) {
      throw Broken("BMP: a compression that is not known");
    }
    if (bits_ == 1 || bits_ == 2 || bits_ == 4 || bits_ == 8) {
      read_palette(palette_at, core ? 3 : 4, core ? 0 : number(46, 4));
    } else if (bits_ != 16 && bits_ != 24 && bits_ != 32) {
      throw Broken("BMP: pixels of " + std::to_string(bits_) + " bits");
    }
  }

  void read_palette(size_t at, size_t entry, size_t stated) {
    size_t colors = size_t{1} << bits_;
    if (stated > 0 && stated < colors) colors = stated;
    palette_.assign(3 * 256, 0);
    for (size_t i = 0; i < colors; ++i) {
      for (size_t part = 0; part < 3; ++part) {
        palette_[3 * i + part] = static_cast<uint8_t>(number(at + entry * i + 2 - part, 1));
      }
    }
  }

  int64_t line(int64_t row) const { return from_top_ ? row : height_ - 1 - row; }

  void decode_rows() {
    const size_t used = (static_cast<size_t>(width_) * bits_ + 7) / 8, row_bytes = (used + 3) / 4 * 4;
    const size_t left = pixels_at_ < picture_.count() ? picture_.count() - pixels_at_ : 0;
    // What fills up the last row may be missing.
    if (left < used || (left - used) / row_bytes < static_cast<size_t>(height_ - 1)) {
      throw Broken("BMP: the file ends too early");
    }
    picture_.begin(width_, height_);
    std::vector<uint8_t> colors(3 * static_cast<size_t>(width_));
    for (int64_t row = 0; row < height_; ++row) {
      const uint8_t* from = picture_.bytes() + pixels_at_ + static_cast<size_t>(row) * row_bytes;
      for (size_t x = 0; x < static_cast<size_t>(width_); ++x) write_pixel(from, x, &colors[3 * x]);
      picture_.color_row(line(row), colors.data());
    }
  }

  void write_pixel(const uint8_t* row, size_t x, uint8_t* to) const {
    if (bits_ <= 8) {
      const size_t bit = x * bits_;
      const uint32_t index = row[bit / 8] >> (8 - bits_ - bit % 8) & ((1u << bits_) - 1);
      std::copy_n(&palette_[3 * index], 3, to);
      return;
    }
    const size_t bytes = bits_ / 8;
    uint32_t pixel = 0;
    for (size_t i = 0; i < bytes; ++i) pixel |= uint32_t{row[x * bytes + i]} << (8 * i);
    for (size_t part = 0; part < 3; ++part) to[part] = fields_[part].of(pixel);
  }

  // Runs of one colour (in 4 bits: of two that take turns), colours one by one, and moves; what none tells is colour 0.
  void decode_runs() {
    const Zeros memory = zeros(static_cast<size_t>(width_ * height_));
    uint8_t* indices = memory.get();
    size_t at = pixels_at_;
    int64_t x = 0, y = 0;
    const auto put = [&](uint8_t index) {
      if (x < width_ && y < height_) indices[y * width_ + x] = index;
      ++x;
    };
    const bool nibbles = bits_ == 4;
    const auto one = [&](uint32_t byte, uint32_t i) -> uint8_t {
      return static_cast<uint8_t>(!nibbles ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
    };
    while (y < height_) {
      const uint32_t count = number(at, 1), value = number(at + 1, 1);
      at += 2;
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) put(one(value, i));
      } else if (value == 0) {
        x = 0;
        ++y;
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        x += number(at, 1);
        y += number(at + 1, 1);
        at += 2;
      } else {
        for (uint32_t i = 0; i < value; ++i) put(one(number(at + (nibbles ? i / 2 : i), 1), i));
        const size_t bytes = nibbles ? (value + 1) / 2 : value;
        at += (bytes + 1) / 2 * 2;
      }
    }
    picture_.begin(width_, height_);
    std::vector<uint8_t> colors(3 * static_cast<size_t>(width_));
    for (int64_t row = 0; row < height_; ++row) {
      for (int64_t i = 0; i < width_; ++i) {
        std::copy_n(&palette_[3 * size_t{indices[row * width_ + i]}], 3, &colors[3 * static_cast<size_t>(i)]);
      }
      picture_.color_row(line(row), colors.data());
    }
  }

  Picture& picture_;
  size_t pixels_at_ = 0;
  int64_t width_ = 0, height_ = 0;
  uint32_t bits_ = 0, compression_ = 0;
  bool from_top_ = false;
  std::array<Field, 3> fields_{};
  std::vector<uint8_t> palette_;
};

}  // namespace

void decode_bmp(Picture& picture) { Bitmap(picture).decode(); }

}  // namespace weft_image
