package fs

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// heldBudget is how many small files are kept open.
const heldBudget = 512

// heldFiles keeps the small files open that were read last, so that a look at one of them is an
// fstat, which costs a third of a stat along the path.
//
// The answer is as good: an object's file changes its name only by rename and loses it only by
// unlink or by a rename over it, never in another way. The first changes its change time, the others
// its count of names, and each of them by the time that the change is visible to anybody.
type heldFiles struct {
	files *lru.Cache[string, heldFile]
	looks sync.Pool // of *fstat
}

type heldFile struct {
	file *os.File
	raw  syscall.RawConn
	info storage.Info
}

func newHeldFiles() *heldFiles {
	return &heldFiles{
		files: lru.NewDropping[string](heldBudget, func(h heldFile) { h.file.Close() }),
		looks: sync.Pool{New: newFstat},
	}
}

// keep takes over a file that was read. Only a live and settled one is held: a change that follows
// the last one within a tick of the clock would not show.
func (h *heldFiles) keep(key string, f *os.File, info storage.Info) {
	raw, err := f.SyscallConn()
	if err != nil || info.State != storage.Live || !info.Settled {
		f.Close()
		return
	}
	h.files.Put(key, heldFile{file: f, raw: raw, info: info}, 1)
}

// stat describes the object if its file is held and still has its name.
func (h *heldFiles) stat(key string) (storage.Info, bool) {
	held, ok := h.files.Get(key)
	if !ok {
		return storage.Info{}, false
	}
	look := h.looks.Get().(*fstat)
	defer h.looks.Put(look)
	// Control keeps another goroutine from closing the file meanwhile.
	err := held.raw.Control(look.control)
	if err != nil || look.err != nil || look.st.Nlink == 0 || stampOf(&look.st) != held.info.Stamp {
		h.files.Forget(key)
		return storage.Info{}, false
	}
	return held.info, true
}

// fstat is one look at an open file; it is used again, because it is on the way of every pull.
type fstat struct {
	st      unix.Stat_t
	err     error
	control func(fd uintptr)
}

func newFstat() any {
	look := new(fstat)
	look.control = func(fd uintptr) { look.err = unix.Fstat(int(fd), &look.st) }
	return look
}

func (h *heldFiles) close() { h.files.Clear() }
