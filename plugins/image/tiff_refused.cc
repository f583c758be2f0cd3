// Two compressions that libtiff knows and this library does not, where it has libtiff within it: LERC, of which Debian has no
// archive to link, and JBIG, whose decoder may not be part of a library under this project's license. A file that has
// one of them cannot be decoded.
#include <cstddef>

extern "C" {

unsigned lerc_getBlobInfo(const unsigned char*, unsigned, unsigned*, double*, int, int) { return 1; }
unsigned lerc_decode(const unsigned char*, unsigned, int, unsigned char*, int, int, int, int, unsigned, void*) {
  return 1;
}
unsigned lerc_encodeForVersion(const void*, int, unsigned, int, int, int, int, int, const unsigned char*, double,
                               unsigned char*, unsigned, unsigned*) {
  return 1;
}

void jbg_dec_init(void*) {}
int jbg_dec_in(void*, unsigned char*, size_t, size_t*) { return 1; }  // an error
unsigned char* jbg_dec_getimage(const void*, int) { return nullptr; }
unsigned long jbg_dec_getsize(const void*) { return 0; }
void jbg_dec_free(void*) {}
int jbg_newlen(unsigned char*, size_t) { return 1; }
const char* jbg_strerror(int) { return "JBIG is not known"; }
void jbg_enc_init(void*, unsigned long, unsigned long, int, unsigned char**, void (*)(unsigned char*, size_t, void*),
                  void*) {}
void jbg_enc_out(void*) {}
void jbg_enc_free(void*) {}

}  // extern "C"
