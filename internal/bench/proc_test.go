package bench

import (
	"errors"
	"testing"
	"time"
)

func TestCPUTimeIsReadBehindTheNameOfTheProgram(t *testing.T) {
	t.Parallel()
	got, err := parseCPU([]byte("42 (a) 1 (b)) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1"))
	if want := 1750 * time.Millisecond; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := parseCPU([]byte("42 (a) S 1")); err == nil {
		t.Error("of a short line: got no error")
	}
}

func TestBusyTimeIsWorkAndNotWaiting(t *testing.T) {
	t.Parallel()
	got, err := parseBusy([]byte("cpu  100 10 50 9999 9999 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"))
	if want := 1660 * time.Millisecond; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := parseBusy([]byte("intr 1 2 3")); err == nil {
		t.Error("of another file: got no error")
	}
}

func TestMemoryIsReadInBytes(t *testing.T) {
	t.Parallel()
	status := []byte("Name:\tsreg\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n")
	if got, err := parseStatus(status, "VmRSS"); err != nil || got != 10<<20 {
		t.Errorf("got %d, %v, want %d", got, err, 10<<20)
	}
	if _, err := parseStatus(status, "VmSwap"); err == nil {
		t.Error("of a missing line: got no error")
	}
}

func TestListeningAddressIsThatOfTheProcess(t *testing.T) {
	t.Parallel()
	table := []byte(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 48 1 0
   1: 0100007F:97D5 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 50 2 0
   2: 0100007F:97D5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 49 2 0
`)
	if got, err := parseListening(table, map[string]bool{"49": true, "50": true}); err != nil || got != "127.0.0.1:38869" {
		t.Errorf("got %s, %v, want 127.0.0.1:38869", got, err)
	}
	if _, err := parseListening(table, map[string]bool{"50": true}); !errors.Is(err, errNotListening) {
		t.Errorf("of a connection: got %v, want %v", err, errNotListening)
	}
}
