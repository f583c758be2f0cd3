/* The devices that a session can run on. */
#ifndef WEFT_DEVICE_H_
#define WEFT_DEVICE_H_

#include "weft/base.h"

/** The number of devices; the CPU is one of them. More come with weft_device_load, and none goes away. */
WEFT_API int32_t weft_device_count(void);
/** The name of a device, such as "cpu", as the "session" option "device" takes it; NULL if there is no such device. The
 * first is the CPU, the others follow in the order in which they came. */
WEFT_API const char* weft_device_name(int32_t index);
/** Loads a device plug-in, a shared library written for weft/plugin.h, whose devices are there from then on. `path` is a
 * file, or a name that the system's loader looks for. Loading one again changes nothing. NOT_FOUND if it cannot be loaded,
 * INVALID_ARGUMENT if it is no plug-in, FAILED_PRECONDITION if it is one for another version of this library,
 * ALREADY_EXISTS if another one has brought devices of its type, or of its numbers in DLPack. */
WEFT_API weft_status* weft_device_load(const char* path) WEFT_MUST_USE;

#endif
