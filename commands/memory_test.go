package commands

import "testing"

func TestMemoryIsGivenBackOnceAfterALoad(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	var m idleMemory
	for i, look := range []struct {
		allocated uint64
		due       bool
		why       string
	}{
		{20 * mb, false, "it has just begun"},
		{20 * mb, false, "a start is not worth it"},
		{500 * mb, false, "a load is going on"},
		{900 * mb, false, "a load is going on"},
		{901 * mb, true, "the load has ended"},
		{901 * mb, false, "it was given back"},
		{902 * mb, false, "probes alone are not worth it"},
		{950 * mb, false, "another load"},
		{950 * mb, true, "it has ended"},
	} {
		if got := m.due(look.allocated); got != look.due {
			t.Errorf("look %d: got %v, want %v: %s", i, got, look.due, look.why)
		}
	}
}

func TestAllocatedBytesAreCounted(t *testing.T) {
	t.Parallel()
	if allocatedBytes() == 0 {
		t.Error("got 0, want what this test has allocated: the name of the metric may have changed")
	}
}
