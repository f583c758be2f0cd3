// Finding the shared library and opening it.

package weft

/*
#cgo CFLAGS: -std=c99 -D_GNU_SOURCE -O2
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// The version of the library that this package was made for.
const (
	wantMajor = 0
	wantMinor = 1
)

// ErrLibrary is what every error about a library that is missing or does not fit is; use errors.Is.
var ErrLibrary = errors.New("weft: the library libweft cannot be used")

var library struct {
	mutex sync.Mutex
	done  bool
	path  string
	err   error
}

var loadOnce = sync.OnceValue(func() error { return openFirst(candidates()) })

// load opens the library at the first call; later ones cost next to nothing.
func load() error { return loadOnce() }

// Load opens the shared library at path. Call it before anything else of this package, or not at all: without it the
// library is looked for at the path in the environment variable WEFT_LIBRARY or, if that is not set, beside the
// executable, in the user's cache (weft/<version>/ below os.UserCacheDir) and where the system looks for libraries.
func Load(path string) error {
	library.mutex.Lock()
	defer library.mutex.Unlock()
	if library.done {
		if library.err == nil && library.path == path {
			return nil
		}
		return newError(FailedPrecondition, "weft.Load(%q) comes too late: the library was already looked for", path)
	}
	return openLocked([]string{path})
}

// Library is the path of the shared library in use.
func Library() (string, error) {
	if err := load(); err != nil {
		return "", err
	}
	return library.path, nil
}

func libraryName() string {
	switch runtime.GOOS {
	case "windows":
		return "weft.dll"
	case "darwin":
		return "libweft.dylib"
	}
	return "libweft.so"
}

// candidates are the places to look in, in order.
func candidates() []string {
	if path := os.Getenv("WEFT_LIBRARY"); path != "" {
		return []string{path}
	}
	var paths []string
	if executable, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(executable); err == nil {
			executable = real
		}
		paths = append(paths, filepath.Join(filepath.Dir(executable), libraryName()))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		version := fmt.Sprintf("%d.%d", wantMajor, wantMinor)
		paths = append(paths, filepath.Join(cache, "weft", version, libraryName()))
	}
	return append(paths, libraryName())
}

func openFirst(paths []string) error {
	library.mutex.Lock()
	defer library.mutex.Unlock()
	return openLocked(paths)
}

// openLocked opens the first library of paths that is there. One that is there but does not fit is an error.
func openLocked(paths []string) error {
	if library.done {
		return library.err
	}
	library.done = true
	var tried []string
	for _, path := range paths {
		if err := openOne(path); err != nil {
			tried = append(tried, "  "+err.Error())
			continue
		}
		library.path = path
		library.err = checkVersion(path)
		return library.err
	}
	library.err = fmt.Errorf("%w; version %d.%d is wanted. Set WEFT_LIBRARY to the path of %s, or put it beside the "+
		"executable. Tried:\n%s", ErrLibrary, wantMajor, wantMinor, libraryName(), strings.Join(tried, "\n"))
	return library.err
}

func openOne(path string) error {
	name := cString(path)
	defer freeString(name)
	if why := C.wg_open(name); why != nil {
		defer C.free(unsafe.Pointer(why))
		return errors.New(C.GoString(why))
	}
	return nil
}

func checkVersion(path string) error {
	number := int(C.wg_version_number())
	major, minor := number/1000000, number/1000%1000
	if major == wantMajor && minor == wantMinor {
		return nil
	}
	return fmt.Errorf("%w: %s has version %s, but this package needs %d.%d; install the two together", ErrLibrary,
		path, C.GoString(C.wg_version()), wantMajor, wantMinor)
}
