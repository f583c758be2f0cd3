/* What libweft_image.so gives libweft.so: decoders of image files.
 *
 * It exports one function, weft_image_open. All is flat C, so that neither library needs a symbol of the other. Functions do
 * not throw, and any number of threads may call them at once.
 */
#ifndef WEFT_PLUGINS_IMAGE_H_
#define WEFT_PLUGINS_IMAGE_H_

#include <stddef.h>
#include <stdint.h>

/** What weft_image_plugin calls `version`. */
#define WEFT_IMAGE_VERSION 1

/** What a pixel becomes: bytes of 0 to 255 each. */
enum {
  WEFT_IMAGE_GRAYSCALE = 0, /**< One byte, ITU-R 601's luma of a coloured one. */
  WEFT_IMAGE_RGB = 1,       /**< Red, green, blue. */
  WEFT_IMAGE_BGR = 2        /**< Blue, green, red. */
};

/** What `decode` returns. */
enum {
  WEFT_IMAGE_DONE = 0,      /**< All pixels are where they should be. */
  WEFT_IMAGE_BROKEN = 1,    /**< The file is damaged, or of no format that is known. */
  WEFT_IMAGE_TOO_LARGE = 2, /**< The image has more pixels than may be. */
  WEFT_IMAGE_NO_MEMORY = 3  /**< There is no memory to decode it in. */
};

/** A file to decode. */
typedef struct weft_image_request {
  size_t struct_size;   /**< Of the caller. */
  const uint8_t* bytes; /**< The file. */
  size_t count;         /**< How many bytes it has. */
  int32_t format;       /**< WEFT_IMAGE_GRAYSCALE, WEFT_IMAGE_RGB or WEFT_IMAGE_BGR. */
  int64_t most_pixels;  /**< Not even its decoder takes memory for an image of more. */
  /** Called once the size is known, at most once, on the thread that decodes: memory for height x width pixels, row by row
   * from the top; NULL if there is none. It is the caller's also if decoding fails afterwards. Must not throw. */
  uint8_t* (*place)(void* user, int64_t height, int64_t width);
  void* user;      /**< What `place` is given. */
  char* why;       /**< Unless all is done: the reason, as text. */
  size_t why_size; /**< Bytes that `why` has room for. */
} weft_image_request;

/** The functions of the library. */
typedef struct weft_image_plugin {
  size_t struct_size; /**< Of the library's maker. */
  int32_t version;    /**< WEFT_IMAGE_VERSION that it was compiled with. */
  /** Decodes a file of BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP, whichever it is. */
  int32_t (*decode)(const weft_image_request* request);
} weft_image_plugin;

#endif
