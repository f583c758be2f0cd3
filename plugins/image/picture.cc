// Pixels on their way to the caller.
#include "plugins/image/picture.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace weft_image {

void Picture::check(int64_t width, int64_t height) const {
  if (width <= 0 || height <= 0) throw Broken("an image without pixels");
  if (width > request_.most_pixels || height > request_.most_pixels / width) {
    throw TooLarge("an image of " + std::to_string(width) + " x " + std::to_string(height) + " pixels; at most " +
                   std::to_string(request_.most_pixels) + " may be");
  }
}

void Picture::begin(int64_t width, int64_t height) {
  check(width, height);
  pixels_ = request_.place(request_.user, height, width);
  if (pixels_ == nullptr) throw std::bad_alloc();
  width_ = width;
  height_ = height;
}

void Picture::gray_row(int64_t y, const uint8_t* row) {
  uint8_t* to = row_at(y);
  if (request_.format == WEFT_IMAGE_GRAYSCALE) {
    std::memcpy(to, row, static_cast<size_t>(width_));
    return;
  }
  for (int64_t x = 0; x < width_; ++x, to += 3) to[0] = to[1] = to[2] = row[x];
}

void Picture::color_row(int64_t y, const uint8_t* row, int step) {
  uint8_t* to = row_at(y);
  if (request_.format == WEFT_IMAGE_GRAYSCALE) {
    // ITU-R 601, in 16 bits behind the point as Pillow has it.
    for (int64_t x = 0; x < width_; ++x, row += step) {
      to[x] = static_cast<uint8_t>((row[0] * 19595 + row[1] * 38470 + row[2] * 7471 + 0x8000) >> 16);
    }
    return;
  }
  const int red = request_.format == WEFT_IMAGE_RGB ? 0 : 2;
  for (int64_t x = 0; x < width_; ++x, row += step, to += 3) {
    to[red] = row[0];
    to[1] = row[1];
    to[2 - red] = row[2];
  }
}

Zeros zeros(size_t count) {
  Zeros bytes(static_cast<uint8_t*>(std::calloc(count, 1)), std::free);
  if (bytes == nullptr) throw std::bad_alloc();
  return bytes;
}

}  // namespace weft_image
