// Package child is the side of a contender that is a program of Go: it says what it computes, and then makes as many calls as
// it is told to, when it is told to. benchmarks/beside/programs.py says how it is started and what it answers.
package child

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// As in child.py.
const (
	sampleSeconds = 40e-3
	warmUpSeconds = 3e-3
)

// Contender is who is timed.
type Contender struct {
	Version string
	Results []float32
	Call    func() error // what is timed
}

// Arguments are what the program is to build, with how many threads, and the folder of its problem.
func Arguments() (kind string, threads int, folder string) {
	if len(os.Args) != 4 {
		log.Fatalf("%s <bound|training> <threads> <folder>", os.Args[0])
	}
	Check(json.Unmarshal([]byte(os.Args[2]), &threads))
	return os.Args[1], threads, os.Args[3]
}

// Read returns the elements in a file of the problem's folder.
func Read[T float32 | int64](folder, name string) []T {
	data := Must(os.ReadFile(filepath.Join(folder, name)))
	var one T
	values := make([]T, len(data)/binary.Size(one))
	Check(binary.Read(bytes.NewReader(data), binary.NativeEndian, values))
	return values
}

// Serve answers until there is nothing more to be told.
func (c Contender) Serve() {
	calls := max(1, c.callsIn(sampleSeconds))
	warmUp := c.callsIn(warmUpSeconds) // none where a call takes longer
	answers := json.NewEncoder(os.Stdout)
	Check(answers.Encode(map[string]any{"version": c.Version, "results": c.Results}))
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		c.secondsOf(warmUp)
		busy := processorSeconds()
		seconds := c.secondsOf(calls)
		busy = processorSeconds() - busy
		Check(answers.Encode(map[string]float64{
			"seconds": seconds / float64(calls), "processor_seconds": busy / float64(calls),
		}))
	}
}

func (c Contender) secondsOf(calls int) float64 {
	begin := time.Now()
	for range calls {
		if err := c.Call(); err != nil {
			log.Fatal(err)
		}
	}
	return time.Since(begin).Seconds()
}

// callsIn makes twice as many calls until they take that long: the first ones are slower than the rest.
func (c Contender) callsIn(seconds float64) int {
	calls := 1
	for {
		if spent := c.secondsOf(calls); spent >= seconds {
			return int(math.Round(float64(calls) * seconds / spent))
		}
		calls *= 2
	}
}

func processorSeconds() float64 {
	var used syscall.Rusage
	Check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) * 1e-9
}

// Check ends the program where there is an error.
func Check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Must returns the value of a call that succeeded.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}
