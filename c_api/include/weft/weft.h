/* Weft: a dataflow-graph runtime. This header includes all others. */
#ifndef WEFT_WEFT_H_
#define WEFT_WEFT_H_

#include "weft/base.h"
#include "weft/device.h"
#include "weft/graph.h"
#include "weft/layer.h"
#include "weft/learn.h"
#include "weft/model.h"
#include "weft/op.h"
#include "weft/session.h"
#include "weft/tensor.h"

#endif
