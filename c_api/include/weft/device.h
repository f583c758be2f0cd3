/* The devices that a session can run on. */
#ifndef WEFT_DEVICE_H_
#define WEFT_DEVICE_H_

#include "weft/base.h"

/** The number of devices; the first is always the CPU. */
WEFT_API int32_t weft_device_count(void);
/** The name of a device, such as "cpu"; NULL if there is no such device. */
WEFT_API const char* weft_device_name(int32_t index);

#endif
