/* The operators: what there is, and what each takes and gives. */
#ifndef WEFT_OP_H_
#define WEFT_OP_H_

#include "weft/base.h"

/** The number of operators that can be added to graphs. */
WEFT_API int32_t weft_op_count(void);
/** The full name of operator i ("MatMul", "weft.Adam"), sorted by domain and name; NULL if there is none. */
WEFT_API const char* weft_op_name(int32_t i);
/** The definition of an operator as JSON: names, types and docs of inputs, outputs and attributes. NOT_FOUND, with the
 * nearest name, if there is none. */
WEFT_API weft_status* weft_op_inspect(const char* name, weft_bytes** out_json) WEFT_MUST_USE;

#endif
