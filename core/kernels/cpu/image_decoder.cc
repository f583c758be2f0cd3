// Kernel of ImageDecoder: the library libweft_image decodes.
#include "core/base/library.h"
#include "core/base/log.h"
#include "core/kernel/registry.h"
#include "plugins/image.h"

namespace weft {
namespace {

// As many as Pillow takes; three bytes of each are half a GiB.
constexpr int64_t kMostPixels = (int64_t{1} << 29) / 3;

Result<const weft_image_plugin*> image_plugin() {
  static Companion library("libweft_image.so", "weft_image_open", WEFT_IMAGE_VERSION, sizeof(weft_image_plugin));
  WEFT_TRY(const void* table, library.table());
  return static_cast<const weft_image_plugin*>(table);
}

struct DecodeImage {
  const weft_image_plugin* plugin;
  int32_t format;

  int64_t channels() const { return format == WEFT_IMAGE_GRAYSCALE ? 1 : 3; }
};

// Where the decoder puts the pixels.
struct ImagePlace {
  int64_t channels;
  Result<Tensor> image = Tensor();

  static uint8_t* make(void* user, int64_t height, int64_t width) {
    ImagePlace& self = *static_cast<ImagePlace*>(user);
    self.image = Tensor::make(DType::kU8, {height, width, self.channels});
    return self.image.ok() ? self.image->as<uint8_t>() : nullptr;
  }
};

Status decode_image(const DecodeImage& s, TensorArgs& args) {
  const Tensor& file = args.in[0];
  if (file.rank() != 1) {
    return invalid("encoded_stream must be [bytes], of a whole file, but is ", file.summary());
  }
  ImagePlace place{s.channels()};
  char why[200] = "";
  weft_image_request request = {};
  request.struct_size = sizeof request;
  request.bytes = file.as<uint8_t>();
  request.count = static_cast<size_t>(file.count());
  request.format = s.format;
  request.most_pixels = kMostPixels;
  request.place = ImagePlace::make;
  request.user = &place;
  request.why = why;
  request.why_size = sizeof why;
  const int32_t code = s.plugin->decode(&request);
  if (!place.image.ok()) return place.image.status();
  if (code == WEFT_IMAGE_DONE) {
    args.out[0] = std::move(*place.image);
    return {};
  }
  if (code != WEFT_IMAGE_BROKEN) return make_error(Code::kResourceExhausted, readable(why));
  log(LogLevel::kInfo, "ImageDecoder gives an image without pixels: ", readable(why));
  WEFT_TRY(args.out[0], Tensor::make(DType::kU8, {0, 0, s.channels()}));
  return {};
}

Status prepare_image_decoder(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(const weft_image_plugin* plugin, image_plugin());
  const std::string& format = c.attrs().s("pixel_format");
  const int32_t number = format == "Grayscale" ? WEFT_IMAGE_GRAYSCALE
                         : format == "RGB"     ? WEFT_IMAGE_RGB
                                               : WEFT_IMAGE_BGR;
  prepared->cost_ns = 30 * static_cast<double>(c.count(0));
  prepared->use_tensors<&decode_image>(DecodeImage{plugin, number});
  return {};
}

}  // namespace

void add_cpu_image_decoder(KernelRegistry& kernels) {
  kernels.add("ImageDecoder", {"codecs", nullptr, prepare_image_decoder});
}

}  // namespace weft
