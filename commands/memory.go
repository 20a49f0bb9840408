package commands

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"time"
)

// heapGrowth is how much the heap may grow between two collections, in percent of what is alive. What is
// alive is small beside the many small requests, so that Go's default collects hundreds of times a second.
const heapGrowth = 200

// spareCollector sets it, unless the operator sets another one.
func spareCollector(environ []string) {
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		debug.SetGCPercent(heapGrowth)
	}
}

const (
	idleLook = 10 * time.Second
	// idleBytes is what a process may allocate between two looks and still be idle: health probes and scrapes of
	// metrics go on.
	idleBytes = 2 << 20
	// garbageBytes is from how much allocated memory on it is worth a collection to give some back.
	garbageBytes = 32 << 20
)

// idleMemory decides when a process gives memory back to the system. Go collects when the heap has grown, so after
// a load an idle process would keep the garbage of its last requests for minutes.
type idleMemory struct {
	seen  uint64 // bytes allocated until the last look, since the process began
	given uint64 // those until memory was given back
}

// due tells whether nothing has been going on since the last look, and enough before it.
func (m *idleMemory) due(allocated uint64) bool {
	idle := allocated-m.seen < idleBytes
	m.seen = allocated
	if !idle || allocated-m.given < garbageBytes {
		return false
	}
	m.given = allocated
	return true
}

// giveBackWhenIdle gives unused memory back to the system whenever the process has been idle for a while, until
// stop is called.
func giveBackWhenIdle() (stop func()) {
	done := make(chan struct{})
	go func() { // ends with stop
		tick := time.NewTicker(idleLook)
		defer tick.Stop()
		var memory idleMemory
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if memory.due(allocatedBytes()) {
				runtime.GC() // what pools keep goes with the second collection
				debug.FreeOSMemory()
			}
		}
	}()
	return func() { close(done) }
}

// allocatedBytes is what the process has allocated on the heap since it began.
func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
