// The shape that products of matrices have.
#include "core/ops/product_common.h"

#include "core/op/op_def.h"

namespace weft {

Result<Dims> matmul_dims(const InferContext& c, int at_a, int at_b) {
  const std::string &name_a = c.op().inputs()[static_cast<size_t>(at_a)].name,
                    &name_b = c.op().inputs()[static_cast<size_t>(at_b)].name;
  if (c.rank(at_a) == 0 || c.rank(at_b) == 0) {
    return invalid("both ", name_a, " and ", name_b, " need at least one dimension");
  }
  // A vector on the left is a row, on the right a column; the dimension of 1 goes again.
  Dims a = c.dims(at_a), b = c.dims(at_b);
  bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), Dim(1));
  if (column) b.push_back(Dim(1));
  const Dim &left = a[a.size() - 1], &right = b[b.size() - 2];
  if (left.known() && right.known() && left.value() != right.value()) {
    return invalid(name_a, " ", c.input(at_a).text(), " has ", left.text(), " columns but ", name_b, " ",
                   c.input(at_b).text(), " has ", right.text(), " rows");
  }
  WEFT_TRY(Dims out, broadcast(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2)));
  if (!row) out.push_back(a[a.size() - 2]);
  if (!column) out.push_back(b[b.size() - 1]);
  return out;
}

}  // namespace weft
