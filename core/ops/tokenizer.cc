// The Tokenizer of ONNX Runtime, which exporters of text pipelines write.
#include "core/graph/expr.h"

namespace weft {
namespace {

Status infer_tokenizer(InferContext& c) {
  const AttrValue *separators = c.attrs().find("separators"), *token = c.attrs().find("tokenexp");
  const bool separates = separators != nullptr && !separators->strings().empty();
  if (!separates && (token == nullptr || token->s().empty())) {
    return invalid("one of 'separators' and 'tokenexp' must be given");
  }
  const int64_t least = c.attrs().i("mincharnum");
  if (least < 1) return invalid("'mincharnum' is ", least, " but must be 1 or more");
  if (least > 1 && separates && separators->strings() == std::vector<std::string>{""}) {
    return invalid("'mincharnum' is ", least, " but each character is a token");
  }
  if (!c.has_rank(0)) return {};
  Dims dims = c.dims(0);
  dims.push_back(c.fresh());
  c.set_dims(0, std::move(dims));
  return {};
}

}  // namespace

void define_op_tokenizer(OpRegistry& ops) {
  ops.add(kMicrosoftDomain, "Tokenizer")
      .group("text")
      .doc(
          "Strings cut into tokens: what a regular expression matches, what is left between the matches of others, or "
          "single characters. Matches without characters count for nothing. Of ONNX Runtime's own domain, as skl2onnx "
          "writes it for TfidfVectorizer and CountVectorizer. RE2 does it, which the library libweft_text.so brings: "
          "where that is missing, as where a pattern is none of RE2's, it is an error to run or prepare it, except for "
          "single characters.")
      .optional_attr("tokenexp", AttrKind::kString,
                     "A regular expression in the syntax of RE2; its matches are the tokens.")
      .optional_attr("separators", AttrKind::kStrings,
                     "Regular expressions; each in turn cuts what the ones before have left. [\"\"] alone makes every "
                     "character a token. If they are given, `tokenexp` counts for nothing.")
      .attr("mincharnum", int64_t{1}, "Tokens of fewer characters are left out; 1 or more.")
      .flag("mark", false, "Whether a token \"\\x02\" stands before the tokens of each string, and \"\\x03\" behind.")
      .attr("pad_value", "", "What fills up the rows of strings with fewer tokens than others.")
      .input("X", "string", "Any shape; UTF-8.")
      .output("Y", "string",
              "The shape of X and, behind it, the most tokens of a string with their marks; 0 if there are none.")
      .infer(infer_tokenizer)
      .sizes_outputs()
      .no_gradient("strings do not change gradually");
}

}  // namespace weft
