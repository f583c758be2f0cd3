// Telling where objects that nobody closed were made.

//go:build cgo

package weft

import (
	"fmt"
	"os"
	"slices"
	"sync"
)

// watched is where the open objects were made, if the environment variable WEFT_LEAKS is "full".
var watched struct {
	mutex sync.Mutex
	open  map[*handle]string
}

var watching = sync.OnceValue(func() bool { return os.Getenv("WEFT_LEAKS") == "full" })

// Unclosed tells of every object that is open now what it is and which line of the program made it:
//
//	tensor made at /home/me/train.go:12
//
// It does so if the environment variable WEFT_LEAKS was "full" when the first object was made, and is nil otherwise.
// Then, an object that the garbage collector had to close is told of on the standard error as well.
func Unclosed() []string {
	watched.mutex.Lock()
	defer watched.mutex.Unlock()
	var lines []string
	for _, line := range watched.open {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func (h *handle) watch() {
	if !watching() {
		return
	}
	line := fmt.Sprintf("%s made at %s", h.kind, caller())
	watched.mutex.Lock()
	defer watched.mutex.Unlock()
	if watched.open == nil {
		watched.open = map[*handle]string{}
	}
	watched.open[h] = line
}

// unwatch gives what watch knew; "" if that was nothing.
func (h *handle) unwatch() string {
	if !watching() {
		return ""
	}
	watched.mutex.Lock()
	defer watched.mutex.Unlock()
	line := watched.open[h]
	delete(watched.open, h)
	return line
}

// forgotten closes an object that the program cannot close any more.
func (h *handle) forgotten() {
	if line := h.unwatch(); line != "" {
		fmt.Fprintf(os.Stderr, "weft: %s was not closed\n", line)
	}
	h.close()
}
