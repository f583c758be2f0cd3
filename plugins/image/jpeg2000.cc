// JPEG 2000, files (JP2) and bare codestreams, by OpenJPEG. Transparency is left out.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <openjpeg.h>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

struct File {
  const uint8_t* bytes;
  size_t count, at;
};

OPJ_SIZE_T read(void* to, OPJ_SIZE_T count, void* user) {
  File& file = *static_cast<File*>(user);
  const size_t some = std::min(count, file.count - file.at);
  if (some == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(to, file.bytes + file.at, some);
  file.at += some;
  return some;
}

OPJ_OFF_T skip(OPJ_OFF_T count, void* user) {
  File& file = *static_cast<File*>(user);
  if (count < 0) return -1;
  const size_t some = std::min(static_cast<size_t>(count), file.count - file.at);
  file.at += some;
  return some > 0 || count == 0 ? static_cast<OPJ_OFF_T>(some) : -1;
}

OPJ_BOOL seek(OPJ_OFF_T at, void* user) {
  File& file = *static_cast<File*>(user);
  if (at < 0 || static_cast<size_t>(at) > file.count) return OPJ_FALSE;
  file.at = static_cast<size_t>(at);
  return OPJ_TRUE;
}

// The first error that the library tells is the reason.
void keep_first(const char* text, void* user) {
  std::string& why = *static_cast<std::string*>(user);
  if (why.empty()) why = text;
  while (!why.empty() && (why.back() == '\n' || why.back() == ' ')) why.pop_back();
}

// A component as bytes, over the whole image though it may have fewer samples.
class Plane {
 public:
  Plane(const opj_image_comp_t& component, int64_t width) : component_(component), row_(static_cast<size_t>(width)) {}

  const std::vector<uint8_t>& row(int64_t y) {
    const opj_image_comp_t& c = component_;
    const int64_t from = std::min<int64_t>(y / c.dy, c.h - 1);
    const int32_t* samples = c.data + from * c.w;
    const int64_t offset = c.sgnd != 0 ? int64_t{1} << (c.prec - 1) : 0;
    const int64_t most = (int64_t{1} << c.prec) - 1;
    for (size_t x = 0; x < row_.size(); ++x) {
      int64_t value = samples[std::min<size_t>(x / c.dx, c.w - 1)] + offset;
      value = std::clamp<int64_t>(value, 0, most);
      if (c.prec > 8)
        value = std::min<int64_t>((value + (int64_t{1} << (c.prec - 9))) >> (c.prec - 8), 255);
      else if (c.prec < 8)
        value = value * 255 / most;
      row_[x] = static_cast<uint8_t>(value);
    }
    return row_;
  }

 private:
  const opj_image_comp_t& component_;
  std::vector<uint8_t> row_;
};

uint8_t rounded(int32_t sixteenths_of_bits) {
  return static_cast<uint8_t>(std::clamp((sixteenths_of_bits + 0x8000) >> 16, 0, 255));
}

// Luma and two differences, as JFIF has them.
void luma_to_color(uint8_t* rgb) {
  const int32_t luma = rgb[0] << 16, blue = rgb[1] - 128, red = rgb[2] - 128;
  rgb[0] = rounded(luma + 91881 * red);
  rgb[1] = rounded(luma - 22554 * blue - 46802 * red);
  rgb[2] = rounded(luma + 116130 * blue);
}

void write_rows(Picture& picture, const opj_image_t& image) {
  const bool gray = image.numcomps < 3, inks = image.numcomps == 4 && image.color_space == OPJ_CLRSPC_CMYK;
  const bool luma = image.color_space == OPJ_CLRSPC_SYCC;
  const size_t count = gray ? 1 : inks ? 4 : 3;
  std::vector<Plane> planes;
  for (size_t i = 0; i < count; ++i) planes.emplace_back(image.comps[i], picture.width());
  std::vector<uint8_t> row(static_cast<size_t>(picture.width()) * count);
  for (int64_t y = 0; y < picture.height(); ++y) {
    for (size_t i = 0; i < count; ++i) {
      const std::vector<uint8_t>& plane = planes[i].row(y);
      for (size_t x = 0; x < plane.size(); ++x) row[x * count + i] = plane[x];
    }
    for (size_t at = 0; at < row.size() && (luma || inks) && !gray; at += count) {
      uint8_t* pixel = &row[at];
      if (inks) {
        inks_to_color(255 - pixel[0], 255 - pixel[1], 255 - pixel[2], 255 - pixel[3], pixel);
      } else {
        luma_to_color(pixel);
      }
    }
    if (gray)
      picture.gray_row(y, row.data());
    else
      picture.color_row(y, row.data(), static_cast<int>(count));
  }
}

}  // namespace

void decode_jpeg2000(Picture& picture) {
  File file = {picture.bytes(), picture.count(), 0};
  const bool bare = picture.bytes()[0] == 0xff;
  const std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)> codec(
      opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2), [](opj_codec_t* made) { opj_destroy_codec(made); });
  const std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)> stream(
      opj_stream_default_create(OPJ_TRUE), [](opj_stream_t* made) { opj_stream_destroy(made); });
  if (codec == nullptr || stream == nullptr) throw std::bad_alloc();
  std::string why;
  opj_set_error_handler(codec.get(), keep_first, &why);
  opj_stream_set_user_data(stream.get(), &file, nullptr);
  opj_stream_set_user_data_length(stream.get(), file.count);
  opj_stream_set_read_function(stream.get(), read);
  opj_stream_set_skip_function(stream.get(), skip);
  opj_stream_set_seek_function(stream.get(), seek);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);

  opj_image_t* made = nullptr;
  bool good = opj_setup_decoder(codec.get(), &parameters) != OPJ_FALSE &&
              opj_read_header(stream.get(), codec.get(), &made) != OPJ_FALSE;
  const std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> image(made, opj_image_destroy);
  if (!good || image == nullptr) throw Broken("JPEG 2000: " + why);
  const int64_t width = int64_t{image->x1} - image->x0, height = int64_t{image->y1} - image->y0;
  picture.check(width, height);
  if (image->numcomps < 1 || image->numcomps > 4) {
    throw Broken("JPEG 2000: " + std::to_string(image->numcomps) + " components; 1 to 4 are known");
  }
  good = opj_decode(codec.get(), stream.get(), image.get()) != OPJ_FALSE &&
         opj_end_decompress(codec.get(), stream.get()) != OPJ_FALSE;
  if (!good) throw Broken("JPEG 2000: " + why);
  if (image->color_space == OPJ_CLRSPC_EYCC) throw Broken("JPEG 2000: e-YCC is not known");
  for (uint32_t i = 0; i < image->numcomps; ++i) {  // a palette has changed their number
    const opj_image_comp_t& c = image->comps[i];
    if (c.data == nullptr || c.w == 0 || c.h == 0 || c.dx == 0 || c.dy == 0 || c.prec == 0 || c.prec > 32) {
      throw Broken("JPEG 2000: a component without samples");
    }
  }
  picture.begin(width, height);
  write_rows(picture, *image);
}

}  // namespace weft_image
