// The C headers are C++ as it was in 2011.
#include "weft/weft.h"

int32_t version_as_cpp11();
int32_t version_as_cpp11() { return weft_version_number(); }
