// Operators whose kernels are in libraries of their own: RegexFullMatch (libweft_text) and ImageDecoder (libweft_image).
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_regex_full_match(InferContext& c) {
  if (c.has_rank(0)) c.set_dims(0, c.dims(0));
  return {};
}

Status infer_image_decoder(InferContext& c) {
  const std::string& format = c.attrs().s("pixel_format");
  if (format != "RGB" && format != "BGR" && format != "Grayscale") {
    return invalid("pixel_format '", format, "' must be RGB, BGR or Grayscale");
  }
  if (c.has_rank(0) && c.dims(0).size() != 1) {
    return invalid("encoded_stream must be [bytes], of a whole file, but is ", c.input(0).text());
  }
  c.set_dims(0, {c.fresh(), c.fresh(), Dim(format == "Grayscale" ? 1 : 3)});
  return {};
}

}  // namespace

void define_op_plugins(OpRegistry& ops) {
  ops.add("RegexFullMatch")
      .group("text")
      .since(20)
      .doc(
          "Whether each string matches a regular expression from its beginning to its end. Strings and the pattern are "
          "UTF-8; bytes that are not match nothing but `\\C`. The time that a match takes grows with the length of the "
          "string alone, whatever the pattern. RE2 does it, which the library libweft_text.so brings: where that is "
          "missing, as where the pattern is none of RE2's, it is an error to run or prepare it.")
      .required_attr("pattern", AttrKind::kString, "A regular expression in the syntax of RE2.")
      .input("X", "string", "Any shape.")
      .output("Y", "bool", "The shape of X.")
      .infer(infer_regex_full_match)
      .no_gradient("strings do not change gradually");
  ops.add("ImageDecoder")
      .group("image")
      .since(20)
      .doc(
          "The pixels of an image file, of 0 to 255: BMP, JPEG, JPEG 2000, PNG, PNM (PBM, PGM, PPM), TIFF or WebP, "
          "whichever the bytes are. "
          "A file that cannot be decoded (damaged, cut off, of another format) gives an image without pixels, [0, 0, "
          "channels], as ONNX says; the log says why. More than 178,956,970 pixels (2^29 bytes of RGB) are an error. "
          "Of several images in a file the first is taken, transparency is left out, samples of more than 8 bits are "
          "scaled down. Grey pixels of coloured ones are (299 R + 587 G + 114 B) / 1000, rounded. JPEG has its exact "
          "integer transform and smooth chroma upsampling. The orientation of a TIFF file is heeded, that of Exif is "
          "not. The library libweft_image.so does it; where that is missing, it is an error to run or prepare it.")
      .attr("pixel_format", "RGB", "\"RGB\", \"BGR\" or \"Grayscale\".")
      .input("encoded_stream", "u8", "[bytes]: a whole file.")
      .output("image", "u8", "[height, width, channels]: the rows from the top; 3 channels, or 1 of Grayscale.")
      .infer(infer_image_decoder)
      .sizes_outputs()
      .no_gradient("bytes of a file do not change gradually");
}

}  // namespace weft
