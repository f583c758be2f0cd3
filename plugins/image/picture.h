// What the decoders of image files have in common: the file, where its pixels go, and how they fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/image.h"

namespace weft_image {

// The file is damaged, or has what no decoder here knows.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The image has more pixels than may be.
struct TooLarge : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The image that comes out, row by row in any order.
class Picture {
 public:
  explicit Picture(const weft_image_request& request) : request_(request) {}

  const uint8_t* bytes() const { return request_.bytes; }
  size_t count() const { return request_.count; }

  // Throws unless an image of that size may be; decoders ask before they take memory themselves.
  void check(int64_t width, int64_t height) const;
  // Takes the memory of the pixels; nothing may be written before.
  void begin(int64_t width, int64_t height);
  int64_t width() const { return width_; }
  int64_t height() const { return height_; }

  // A row of one byte a pixel.
  void gray_row(int64_t y, const uint8_t* row);
  // A row of red, green and blue, with `step` bytes from one pixel to the next.
  void color_row(int64_t y, const uint8_t* row, int step = 3);

 private:
  uint8_t* row_at(int64_t y) const { return pixels_ + y * width_ * channels(); }
  int channels() const { return request_.format == WEFT_IMAGE_GRAYSCALE ? 1 : 3; }

  const weft_image_request& request_;
  int64_t width_ = 0, height_ = 0;
  uint8_t* pixels_ = nullptr;
};

// Bytes of 0; the system gives them when they are touched, so a file that only says that it is large costs little.
using Zeros = std::unique_ptr<uint8_t, void (*)(void*)>;
Zeros zeros(size_t count);

// A sample of `most` + 1 levels as one of 256, rounded down as Pillow does.
inline uint8_t to_byte(uint32_t value, uint32_t most) {
  return value >= most ? 255 : static_cast<uint8_t>(uint64_t{value} * 255 / most);
}

// A pixel of the four inks as red, green and blue: `white_*` is what each leaves of the paper.
inline void inks_to_color(int white_c, int white_m, int white_y, int white_k, uint8_t* rgb) {
  const int whites[] = {white_c, white_m, white_y};
  for (int i = 0; i < 3; ++i) {
    const int product = (255 - whites[i]) * white_k + 128;
    const int ink = ((product >> 8) + product) >> 8;
    rgb[i] = static_cast<uint8_t>(white_k > ink ? white_k - ink : 0);
  }
}

// One decoder a file. Each throws Broken, TooLarge or std::bad_alloc.
void decode_bmp(Picture& picture);
void decode_jpeg(Picture& picture);
void decode_jpeg2000(Picture& picture);
void decode_png(Picture& picture);
void decode_pnm(Picture& picture);
void decode_tiff(Picture& picture);
void decode_webp(Picture& picture);

}  // namespace weft_image
