package watch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/watch"
)

// often is for files that the kernel tells nothing of; seldom, for a test that wants to see what it tells.
const (
	often  = 5 * time.Millisecond
	seldom = time.Hour
)

// TestChanges: each way in which people and programs replace a file is seen, by what the kernel tells and by polling.
func TestChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setUp  func(d folder)
		change func(d folder)
	}{
		"written in place": {
			func(d folder) { d.write("sreg.yaml", "one") },
			func(d folder) { d.write("sreg.yaml", "two") },
		},
		"of the same size, at the same time": {
			func(d folder) { d.write("sreg.yaml", "one"); d.at("sreg.yaml", time.Unix(1, 0)) },
			func(d folder) { d.write("sreg.yaml", "two"); d.at("sreg.yaml", time.Unix(1, 0)) },
		},
		"renamed over": {
			func(d folder) { d.write("sreg.yaml", "one") },
			func(d folder) { d.write(".sreg.yaml.tmp", "two"); d.rename(".sreg.yaml.tmp", "sreg.yaml") },
		},
		"moved away and written anew": {
			func(d folder) { d.write("sreg.yaml", "one") },
			func(d folder) { d.rename("sreg.yaml", "sreg.yaml~"); d.write("sreg.yaml", "two") },
		},
		"removed": {
			func(d folder) { d.write("sreg.yaml", "one") },
			func(d folder) { d.remove("sreg.yaml") },
		},
		"made": {
			func(folder) {},
			func(d folder) { d.write("sreg.yaml", "one") },
		},
		"a volume of Kubernetes": {
			func(d folder) {
				d.mkdir("..1")
				d.write("..1/sreg.yaml", "one")
				d.link("..1", "..data")
				d.link("..data/sreg.yaml", "sreg.yaml")
			},
			func(d folder) {
				d.mkdir("..2")
				d.write("..2/sreg.yaml", "two")
				d.link("..2", "..data_tmp")
				d.rename("..data_tmp", "..data")
				d.remove("..1/sreg.yaml")
				d.remove("..1")
			},
		},
		"a symlink to a file elsewhere": {
			func(d folder) {
				d.mkdir("elsewhere")
				d.write("elsewhere/it", "one")
				d.link("elsewhere/it", "sreg.yaml")
			},
			func(d folder) { d.write("elsewhere/it", "two") },
		},
	} {
		for how, opts := range map[string]watch.Options{
			"told":   {Settle: often, Poll: seldom},
			"polled": {Settle: often, Poll: often},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				d := folder{t, t.TempDir()}
				test.setUp(d)
				files := []string{d.path("sreg.yaml"), d.path("never.yaml")}
				w := newWatcher(t, opts)
				seen := watch.At(files)
				done := make(chan error, 1)
				go func() { done <- w.Wait(t.Context(), seen, nil) }() // ends with the change
				test.change(d)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if changed := watch.At(files).Changed(seen); !slices.Equal(changed, files[:1]) {
					t.Errorf("changed are %q, want %q", changed, files[:1])
				}
			})
		}
	}
}

// TestAChangeBeforeTheWaitIsSeen: between a look and the wait nothing is lost, and a folder that a link leads to now is
// watched when it leads elsewhere.
func TestAChangeBeforeTheWaitIsSeen(t *testing.T) {
	t.Parallel()
	d := folder{t, t.TempDir()}
	file := d.path("current/sreg.yaml")
	w := newWatcher(t, watch.Options{Settle: often, Poll: seldom})
	d.mkdir("0")
	d.write("0/sreg.yaml", "0")
	d.link("0", "current")
	for i := range 20 {
		seen := watch.At([]string{file})
		release := fmt.Sprint(i + 1)
		d.mkdir(release)
		d.write(release+"/sreg.yaml", release)
		d.link(release, "next")
		d.rename("next", "current")
		if err := w.Wait(t.Context(), seen, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestABusyFolderPutsNothingOff: a log that is written beside the files, or one of them that never rests, does not keep
// a change of another one from being told.
func TestABusyFolderPutsNothingOff(t *testing.T) {
	t.Parallel()
	d := folder{t, t.TempDir()}
	d.write("sreg.yaml", "one")
	d.write("links", "one")
	seen := watch.At([]string{d.path("sreg.yaml"), d.path("links")})
	w := newWatcher(t, watch.Options{Settle: often, Poll: seldom})
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() { // ends with stop
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				d.write("log", "x")
				d.write("log.new", "one")
				d.rename("log.new", "links")
			}
		}
	}()
	d.write("new", "two")
	d.rename("new", "sreg.yaml")
	if err := w.Wait(t.Context(), seen, nil); err != nil {
		t.Fatal(err)
	}
	close(stop)
	<-stopped
}

// TestNothingIsToldOfWhatIsTheSame: a file that is written as it was, and a neighbour, are no change; who asks is
// answered, and the end of the context ends the wait.
func TestNothingIsToldOfWhatIsTheSame(t *testing.T) {
	t.Parallel()
	d := folder{t, t.TempDir()}
	d.write("sreg.yaml", "one")
	if err := syscall.Mkfifo(d.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := watch.At([]string{d.path("sreg.yaml"), d.path("pipe"), d.path("nothing")})
	w := newWatcher(t, watch.Options{Settle: often, Poll: often})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan os.Signal)
	done := make(chan error)
	go func() { // ends with the context
		for {
			err := w.Wait(ctx, seen, asked)
			done <- err
			if err != nil {
				return
			}
		}
	}()
	for range 10 {
		d.write("neighbour", "one")
		d.rename("neighbour", "sreg.yaml") // a write in place is for a moment another content
		select {
		case err := <-done:
			t.Fatalf("told a change, %v", err)
		case asked <- syscall.SIGHUP:
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v at the end", err)
	}
}

func newWatcher(t *testing.T, opts watch.Options) *watch.Watcher {
	t.Helper()
	w := watch.New(opts)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// folder changes files below it.
type folder struct {
	t    *testing.T
	root string
}

func (d folder) path(name string) string { return filepath.Join(d.root, name) }

func (d folder) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d folder) write(name, text string) { d.must(os.WriteFile(d.path(name), []byte(text), 0o600)) }
func (d folder) mkdir(name string)       { d.must(os.Mkdir(d.path(name), 0o700)) }
func (d folder) remove(name string)      { d.must(os.Remove(d.path(name))) }
func (d folder) rename(from, to string)  { d.must(os.Rename(d.path(from), d.path(to))) }
func (d folder) link(to, name string)    { d.must(os.Symlink(to, d.path(name))) }
func (d folder) at(name string, when time.Time) {
	d.must(os.Chtimes(d.path(name), when, when))
}
