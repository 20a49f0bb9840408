package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Watch knows what all processes had used of the cores when a run began, so that the run can say how
// much the figures owe to somebody else's work.
type Watch struct {
	began     time.Time
	busy, own time.Duration
}

// NewWatch begins to watch.
func NewWatch() (Watch, error) {
	busy, err := busyTime()
	if err != nil {
		return Watch{}, err
	}
	own, err := ownTime()
	return Watch{began: time.Now(), busy: busy, own: own}, err
}

// Others is the share of the cores, from 0 to 1, that went to work which is neither the bench nor a
// server that it has ended. Some of it is the kernel's, on behalf of the servers.
func (w Watch) Others() (float64, error) {
	busy, err := busyTime()
	if err != nil {
		return 0, err
	}
	own, err := ownTime()
	if err != nil {
		return 0, err
	}
	others := (busy - w.busy) - (own - w.own)
	all := time.Since(w.began) * time.Duration(runtime.NumCPU())
	return max(0, ratio(others, all)), nil
}

// ownTime is the CPU time of this process and of its children that have ended.
func ownTime() (time.Duration, error) {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if err := syscall.Getrusage(who, &used); err != nil {
			return 0, fmt.Errorf("read own CPU time: %w", err)
		}
		total += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return total, nil
}

func busyTime() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read CPU time of all: %w", err)
	}
	return parseBusy(stat)
}

// parseBusy adds up the first line of /proc/stat without what is no work: idle, iowait, and the
// times of guests, which are counted as user time already. Stolen time counts: it is lost to us.
func parseBusy(stat []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("read CPU time of all: got %q", line)
	}
	var total time.Duration
	var errs []error
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user, nice, system, irq, softirq, steal
		n, err := strconv.ParseInt(fields[i], 10, 64)
		errs = append(errs, err)
		total += time.Duration(n) * tick
	}
	return total, errors.Join(errs...)
}
