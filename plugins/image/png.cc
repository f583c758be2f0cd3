// PNG, by libpng. Transparency is left out, and of 16 bits the upper 8 are taken.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>

#include <png.h>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t* at = nullptr;
  size_t left = 0;
  std::jmp_buf back;
  char why[160] = "";

  Decoder() {
    const auto error = [](png_structp png, png_const_charp text) {
      Decoder& self = *static_cast<Decoder*>(png_get_error_ptr(png));
      std::snprintf(self.why, sizeof self.why, "PNG: %s", text);
      std::longjmp(self.back, 1);
    };
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, error, [](png_structp, png_const_charp) {});
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  static void read(png_structp png, png_bytep to, size_t count) {
    Decoder& self = *static_cast<Decoder*>(png_get_io_ptr(png));
    if (count > self.left) png_error(png, "the file ends too early");
    std::memcpy(to, self.at, count);
    self.at += count;
    self.left -= count;
  }

  // Calls the library; errors come back as exceptions. What `work` makes needs no destructor.
  template <typename Work>
  [[gnu::noinline]] void call(Work&& work) {
    if (setjmp(back) != 0) throw Broken(why);
    work();
  }
};

}  // namespace

void decode_png(Picture& picture) {
  auto decoder = std::make_unique<Decoder>();
  const png_structp png = decoder->png;
  const png_infop info = decoder->info;
  if (info == nullptr) throw std::bad_alloc();
  decoder->at = picture.bytes();
  decoder->left = picture.count();
  decoder->call([&] {
    png_set_read_fn(png, decoder.get(), Decoder::read);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // Picture has its own
    png_read_info(png, info);
  });
  const int64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  picture.check(width, height);
  int passes = 1;
  decoder->call([&] {
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
  });
  const size_t row_bytes = png_get_rowbytes(png, info);
  const bool gray = png_get_channels(png, info) == 1;
  if (row_bytes != static_cast<size_t>(width) * (gray ? 1 : 3)) throw Broken("PNG: pixels of an unknown kind");
  picture.begin(width, height);
  // An interlaced image comes in passes over all of its rows.
  const Zeros rows = zeros(row_bytes * static_cast<size_t>(passes > 1 ? height : 1));
  for (int pass = 0; pass < passes; ++pass) {
    for (int64_t y = 0; y < height; ++y) {
      uint8_t* row = rows.get() + (passes > 1 ? static_cast<size_t>(y) * row_bytes : 0);
      decoder->call([&] { png_read_row(png, row, nullptr); });
      if (pass + 1 < passes) continue;
      if (gray)
        picture.gray_row(y, row);
      else
        picture.color_row(y, row);
    }
  }
  decoder->call([&] { png_read_end(png, nullptr); });
}

}  // namespace weft_image
