// JPEG, by libjpeg-turbo. What it only warns of is an error where pixels would be guessed.
#include <csetjmp>
#include <cstdio>
#include <memory>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

// A progressive file may say again and again how a large image differs; no real one does so often.
constexpr int kMostScans = 100;

struct Decoder {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf back;
  char why[JMSG_LENGTH_MAX] = "";

  Decoder() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      Decoder& self = of(common);
      common->err->format_message(common, self.why);
      std::longjmp(self.back, 1);
    };
    errors.emit_message = [](j_common_ptr common, int level) {
      if (level >= 0) return;  // a trace, not a warning
      switch (common->err->msg_code) {
        case JWRN_ARITH_BAD_CODE:
        case JWRN_HIT_MARKER:
        case JWRN_HUFF_BAD_CODE:
        case JWRN_JPEG_EOF:
        case JWRN_MUST_RESYNC: common->err->error_exit(common); break;
        default: break;
      }
    };
    errors.output_message = [](j_common_ptr) {};
    progress.progress_monitor = [](j_common_ptr common) {
      Decoder& self = of(common);
      if (self.info.input_scan_number <= kMostScans) return;
      std::snprintf(self.why, sizeof self.why, "more than %d scans", kMostScans);
      std::longjmp(self.back, 1);
    };
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  static Decoder& of(j_common_ptr common) { return *static_cast<Decoder*>(common->client_data); }

  // Calls the library; errors come back as exceptions. What `work` makes needs no destructor.
  template <typename Work>
  [[gnu::noinline]] void call(Work&& work) {
    if (setjmp(back) != 0) {
      if (info.err->msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
      throw Broken(std::string("JPEG: ") + why);
    }
    work();
  }
};

}  // namespace

void decode_jpeg(Picture& picture) {
  auto decoder = std::make_unique<Decoder>();
  jpeg_decompress_struct& info = decoder->info;
  decoder->call([&] {
    jpeg_create_decompress(&info);
    info.progress = &decoder->progress;
    jpeg_mem_src(&info, picture.bytes(), picture.count());
    jpeg_read_header(&info, TRUE);
  });
  picture.check(info.image_width, info.image_height);
  if (info.jpeg_color_space == JCS_GRAYSCALE) {
    info.out_color_space = JCS_GRAYSCALE;
  } else if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK) {
    info.out_color_space = JCS_CMYK;
  } else {
    info.out_color_space = JCS_RGB;
  }
  decoder->call([&] { jpeg_start_decompress(&info); });
  picture.begin(info.output_width, info.output_height);
  std::vector<uint8_t> row(size_t{info.output_width} * static_cast<size_t>(info.output_components));
  uint8_t* rows[] = {row.data()};
  for (int64_t y = 0; y < picture.height(); ++y) {
    decoder->call([&] { jpeg_read_scanlines(&info, rows, 1); });
    if (info.out_color_space == JCS_GRAYSCALE) {
      picture.gray_row(y, row.data());
    } else if (info.out_color_space == JCS_RGB) {
      picture.color_row(y, row.data());
    } else {  // programs store how much white is left
      for (size_t i = 0; i < row.size(); i += 4) inks_to_color(row[i], row[i + 1], row[i + 2], row[i + 3], &row[i]);
      picture.color_row(y, row.data(), 4);
    }
  }
  decoder->call([&] { jpeg_finish_decompress(&info); });
}

}  // namespace weft_image
