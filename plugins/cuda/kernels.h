// The families of kernels, each defined in the file of its name.
#pragma once

#include "plugins/cuda/host.h"

namespace weft::cuda {

void define_arg(Definitions& all);
void define_attention(Definitions& all);
void define_batch_norm(Definitions& all);
void define_conv(Definitions& all);
void define_cross_entropy(Definitions& all);
void define_elementwise(Definitions& all);
void define_fill(Definitions& all);
void define_gather(Definitions& all);
void define_layer_norm(Definitions& all);
void define_matmul(Definitions& all);
void define_move(Definitions& all);
void define_optimizer(Definitions& all);
void define_pad(Definitions& all);
void define_pool(Definitions& all);
void define_random(Definitions& all);
void define_reduce(Definitions& all);
void define_resize(Definitions& all);
void define_scan(Definitions& all);
void define_scatter(Definitions& all);
void define_softmax(Definitions& all);
void define_sort(Definitions& all);

}  // namespace weft::cuda
