// WebP, by libwebp. Transparency is left out; of an animation the first image is taken.
#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include "plugins/image/picture.h"

namespace weft_image {
namespace {

const char* reason(VP8StatusCode code) {
  switch (code) {
    case VP8_STATUS_BITSTREAM_ERROR: return "WebP: the pixels are damaged";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "WebP: a kind of file that is not known";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "WebP: the file ends too early";
    default: return "WebP: the file is damaged";
  }
}

void check(VP8StatusCode code) {
  if (code == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != VP8_STATUS_OK) throw Broken(reason(code));
}

void decode_animation(Picture& picture) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) throw Broken("WebP: a version of the library that does not fit");
  options.color_mode = MODE_RGBA;
  options.use_threads = 0;
  const WebPData data = {picture.bytes(), picture.count()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                             WebPAnimDecoderDelete);
  WebPAnimInfo info;
  uint8_t* pixels = nullptr;
  int timestamp = 0;
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      WebPAnimDecoderGetNext(decoder.get(), &pixels, &timestamp) == 0) {
    throw Broken("WebP: the animation is damaged");
  }
  picture.begin(info.canvas_width, info.canvas_height);
  const size_t row_bytes = 4 * size_t{info.canvas_width};
  for (int64_t y = 0; y < picture.height(); ++y) {
    picture.color_row(y, pixels + static_cast<size_t>(y) * row_bytes, 4);
  }
}

}  // namespace

void decode_webp(Picture& picture) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) throw Broken("WebP: a version of the library that does not fit");
  check(WebPGetFeatures(picture.bytes(), picture.count(), &config.input));
  const int width = config.input.width, height = config.input.height;
  picture.check(width, height);
  if (config.input.has_animation != 0) return decode_animation(picture);
  picture.begin(width, height);
  const size_t row_bytes = 3 * static_cast<size_t>(width);
  const size_t bytes = row_bytes * static_cast<size_t>(height);
  const Zeros pixels = zeros(bytes);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels.get();
  config.output.u.RGBA.stride = static_cast<int>(row_bytes);
  config.output.u.RGBA.size = bytes;
  const VP8StatusCode code = WebPDecode(picture.bytes(), picture.count(), &config);
  WebPFreeDecBuffer(&config.output);
  check(code);
  for (int64_t y = 0; y < height; ++y) picture.color_row(y, pixels.get() + static_cast<size_t>(y) * row_bytes);
}

}  // namespace weft_image
