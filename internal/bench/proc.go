package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat, which Linux fixes for programs at 1/100 s.
const tick = 10 * time.Millisecond

// errNotListening says that a process has no listening socket yet.
var errNotListening = errors.New("no listening socket")

// process reads what the kernel knows of one process.
type process int

func (p process) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(int(p)), name)
}

// cpu is the time that all threads of the process have used, in user mode and in the kernel.
func (p process) cpu() (time.Duration, error) {
	data, err := os.ReadFile(p.path("stat"))
	if err != nil {
		return 0, err
	}
	return parseCPU(data)
}

// parseCPU reads utime and stime, the fields 14 and 15 of proc(5). The name of the program, in
// parentheses, may hold anything, so counting starts behind the last one.
func parseCPU(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: want 13 fields, got %d", len(fields))
	}
	user, uerr := strconv.ParseInt(fields[11], 10, 64)
	system, serr := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(uerr, serr); err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return time.Duration(user+system) * tick, nil
}

// resident is the memory that the process holds now, in bytes.
func (p process) resident() (int64, error) { return p.status("VmRSS") }

// peak is the most that the process has held since resetPeak, in bytes.
func (p process) peak() (int64, error) { return p.status("VmHWM") }

// resetPeak makes peak begin at what is held now.
func (p process) resetPeak() error {
	return os.WriteFile(p.path("clear_refs"), []byte("5"), 0)
}

func (p process) status(key string) (int64, error) {
	data, err := os.ReadFile(p.path("status"))
	if err != nil {
		return 0, err
	}
	return parseStatus(data, key)
}

func parseStatus(data []byte, key string) (int64, error) {
	for line := range strings.Lines(string(data)) {
		value, found := strings.CutPrefix(line, key+":")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", key, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read %s: not there", key)
}

// listening finds the TCP address on which the process listens. Asking the kernel works for every
// server alike, however it prints its address, and lets each pick a free port.
func (p process) listening() (string, error) {
	inodes, err := p.sockets()
	if err != nil {
		return "", err
	}
	table, err := os.ReadFile(p.path("net/tcp"))
	if err != nil {
		return "", err
	}
	return parseListening(table, inodes)
}

func (p process) sockets() (map[string]bool, error) {
	entries, err := os.ReadDir(p.path("fd"))
	if err != nil {
		return nil, err
	}
	inodes := map[string]bool{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(p.path("fd"), e.Name()))
		if err != nil {
			continue // closed since it was listed
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes, nil
}

// parseListening reads /proc/net/tcp: the columns are slot, local address, remote address, state
// (0A listens), four more, and the inode.
func parseListening(table []byte, inodes map[string]bool) (string, error) {
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != "0A" || !inodes[fields[9]] {
			continue
		}
		return parseHexAddr(fields[1])
	}
	return "", errNotListening
}

// parseHexAddr reads 0100007F:1388: the address as a little-endian word, the port as a number.
func parseHexAddr(s string) (string, error) {
	ip, port, _ := strings.Cut(s, ":")
	word, ierr := strconv.ParseUint(ip, 16, 32)
	number, perr := strconv.ParseUint(port, 16, 16)
	if err := errors.Join(ierr, perr); err != nil {
		return "", fmt.Errorf("read socket address %s: %w", s, err)
	}
	addr := netip.AddrFrom4([4]byte{byte(word), byte(word >> 8), byte(word >> 16), byte(word >> 24)})
	return netip.AddrPortFrom(addr, uint16(number)).String(), nil
}
