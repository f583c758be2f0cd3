# Compiler settings that every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE)
  # Paths are hashed relative to the checkout, so that clones and worktrees share what they compiled.
  # What it wants to be told before it stores what was compiled with precompiled headers.
  set(WEFT_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${WEFT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WEFT_LAUNCHER})
  set(CMAKE_C_COMPILER_LAUNCHER ${WEFT_LAUNCHER})
endif()

add_compile_options(-Wall -Wextra -ffunction-sections -fdata-sections)
# On where the project itself is worked on: another compiler may warn of more.
option(WEFT_WERROR "Warnings are errors" OFF)
if(WEFT_WERROR)
  add_compile_options(-Werror)
endif()
# Contraction would give an expression other bits where the machine has FMA.
add_compile_options(-ffp-contract=off)
# The paths in error messages and debug information do not depend on where the checkout lies.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(WEFT_PROCESSOR x86_64)
  add_compile_options(-march=x86-64-v2)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(WEFT_PROCESSOR aarch64)
else()
  message(FATAL_ERROR "Weft runs on x86-64, and its kernels on 64-bit ARM too, but not on ${CMAKE_SYSTEM_PROCESSOR}")
endif()

# A sanitizer build: WEFT_SANITIZE is "address,undefined" or "thread".
set(WEFT_SANITIZE "" CACHE STRING "Sanitizers")
if(WEFT_SANITIZE)
  # Optimising code that is full of checks is slow: -Og takes as long as -O0, and less than half of -O1.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-Og -g1")
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
endif()
# libFuzzer is clang's: every branch counts what reaches it, and programs with `fuzz` have its `main`.
option(WEFT_FUZZER "Build the fuzz targets with libFuzzer" OFF)
if(WEFT_FUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(WEFT_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # With sanitizers GCC no longer sees which member of a variant is alive, and warns of the others.
  add_compile_options(-Wno-maybe-uninitialized)
  # Such a build is made as a whole, and half of what most files take is reading the same headers. Not elsewhere: there, a
  # file shows that it includes what it needs, and a header that changes does not rebuild everything.
  # To ccache, headers that differ in a comment are one; to GCC, `#pragma once` then stands in two files, and a precompiled
  # header of the other text fails. So what is precompiled says in code which texts it was made of.
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/*.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
  set(texts "")
  foreach(header IN LISTS headers)
    file(SHA256 ${header} text)
    string(APPEND texts ${text})
  endforeach()
  string(SHA256 texts "${texts}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/texts_of_headers.h
       CONTENT "extern const char weft_headers_@texts@;\n" @ONLY)
  set(WEFT_PRECOMPILED ${CMAKE_BINARY_DIR}/generated/texts_of_headers.h <algorithm> <functional> <map> <memory> <mutex>
      <string> <vector> ${CMAKE_SOURCE_DIR}/core/graph/expr.h ${CMAKE_SOURCE_DIR}/core/kernel/registry.h)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()

# Each test links the whole core, which takes GNU's linker many times as long. A cross-compiler does not find another.
find_program(WEFT_MOLD mold)
if(WEFT_MOLD AND WEFT_TESTS AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()
