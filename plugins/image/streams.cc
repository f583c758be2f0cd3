// Debian compiles archives for programs, whose code may expect the C library's variables at a fixed distance. A shared
// library's may not: what the archives call stderr and stdout are these (the linker's option --wrap).
#include <cstdio>

extern "C" {

extern FILE* __real_stderr;
extern FILE* __real_stdout;
FILE* __wrap_stderr;
FILE* __wrap_stdout;

__attribute__((constructor)) static void set_streams() {
  __wrap_stderr = __real_stderr;
  __wrap_stdout = __real_stdout;
}

}  // extern "C"
