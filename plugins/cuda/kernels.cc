// The kernels of the plug-in, family by family. Of one operator, the first that accepts a node runs it.
#include "plugins/cuda/kernels.h"

namespace weft::cuda {

void define_all(Definitions& all) {
  define_elementwise(all);
  define_matmul(all);
  define_attention(all);
  define_conv(all);
  define_pool(all);
  define_batch_norm(all);
  define_layer_norm(all);
  define_reduce(all);
  define_arg(all);
  define_softmax(all);
  define_cross_entropy(all);
  define_scan(all);
  define_sort(all);
  define_move(all);
  define_pad(all);
  define_gather(all);
  define_scatter(all);
  define_fill(all);
  define_resize(all);
  define_optimizer(all);
  define_random(all);
}

}  // namespace weft::cuda
