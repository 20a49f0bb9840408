package bench

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
)

// machine is the kind of computer that the figures come from; which one it was is nobody's business.
type machine struct {
	Cores     int
	MemoryGiB int
	Kernel    string
	Go        string
}

func thisMachine() (machine, error) {
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return machine{}, fmt.Errorf("describe the machine: %w", err)
	}
	total, err := parseStatus(memory, "MemTotal")
	if err != nil {
		return machine{}, fmt.Errorf("describe the machine: %w", err)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return machine{}, fmt.Errorf("describe the machine: %w", err)
	}
	return machine{
		Cores:     runtime.NumCPU(),
		MemoryGiB: int(math.Round(float64(total) / (1 << 30))),
		Kernel:    "Linux " + majorMinor(string(kernel)),
		Go:        runtime.Version(),
	}, nil
}

// majorMinor cuts 6.1.0-18-amd64 to 6.1: what follows names a distribution.
func majorMinor(release string) string {
	parts := strings.SplitN(strings.TrimSpace(release), ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}
