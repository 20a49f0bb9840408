package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// TestAnyCallOfAPushMayFail lets each call that a push makes on its store fail once, in a server that lives
// on: the answer is a clear error or a success, what was there is whole, and the next push works. The slow tests
// let each fail in both ways, the quick ones by turns.
func TestAnyCallOfAPushMayFail(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := prepare(t, mountMemory(t, "2g"))
	calls := failAt(t, prepared, failure{})
	if len(calls) < 20 {
		t.Fatalf("an undisturbed push makes %d calls, want more: %s", len(calls), calls)
	}
	for i, errno := range []string{"ENOSPC", "EIO"} {
		for n, next := range calls {
			if len(next.paths) == 0 || !all() && n%2 != i {
				continue // an answer, or the other one's turn
			}
			t.Run(fmt.Sprintf("%s at call %d of %d, %s", errno, n, len(calls), next.name), func(t *testing.T) {
				t.Parallel()
				failAt(t, prepared, failure{n: n, next: next, errno: errno, tries: 3})
			})
		}
	}
}

// failure is what shall happen to a push: the call behind the n-th fails, which next was in another run.
type failure struct {
	n     int // 0: none
	next  call
	errno string
	tries int
}

// failAt pushes to a copy of a store, with a failure or with none, and returns the calls that were made on
// the store. The first of all calls is an answer.
func failAt(t *testing.T, prepared string, f failure) []call {
	t.Helper()
	n, next, errno, tries := f.n, f.next, f.errno, f.tries
	s := serveIn(t, copyStore(t, prepared))
	w := newWire(t, s)
	onStore := func(c call) bool {
		return answersSuccess(c) || len(c.paths) > 0 && strings.HasPrefix(c.paths[0], s.dir) && !strings.Contains(c.text, "/_locks/")
	}
	push := func() error { return w.pushImage(fresh, ocitest.Image("two"), tagOne) }
	calls, held, done := stepper{kinds: writeCalls, counts: onStore, n: n}.run(t, s, func() error {
		_, err := w.send(http.MethodGet, "/v2/", "", "")
		return errors.Join(err, push())
	})
	if n == 0 {
		if err := <-done; err != nil {
			t.Fatalf("undisturbed: %v", err)
		}
		return calls
	}
	if !held {
		t.Fatalf("the push came to its end (%v) before call %d", <-done, n)
	}
	file := ""
	if next.name == "write" { // on another file it may be the runtime's own
		file = slices.Concat(calls[n-1].paths, []string{""})[0]
	}
	failed := s.failNext(t, next.name, file, errno, done)
	err := <-done
	if failed.name == "" && err == nil && tries > 1 {
		// What is read depends on how old it is, so no two pushes make quite the same calls.
		return failAt(t, prepared, failure{n: n, next: next, errno: errno, tries: tries - 1})
	}
	if failed.name == "" || len(failed.paths) == 0 || !strings.HasPrefix(failed.paths[0], s.dir) {
		t.Errorf("want a call on the store to fail, got %q", failed)
	}
	wantClearError(t, err)
	if err == nil && isSync(failed) {
		t.Error("it was acknowledged, although a sync failed")
	}
	for range 2 {
		if err := w.pull(other, one, tagOne); err != nil {
			t.Errorf("pull of what was there: %v", err)
		}
		if dangling := checkStore(t, s.dir, slices.Concat(untouched, w.acknowledged)...); len(dangling) > 0 {
			t.Errorf("S2: what is gone is named by %q", dangling)
		}
		if err := push(); err != nil {
			t.Errorf("the next push: %v", err)
		}
	}
	if t.Failed() {
		t.Logf("%s in %s, answered with %v", errno, failed, err)
	}
	return nil
}

// wantClearError wants no error, or one that is the server's fault and can be found in its log.
func wantClearError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var got *httpapitest.RefusedError
	if !errors.As(err, &got) || got.Status/100 != 5 {
		t.Errorf("got %v, want an answer of 5xx", err)
		return
	}
	if _, err := got.Info(); err != nil {
		t.Error(err)
	}
	if got.Header.Get("X-Request-Id") == "" {
		t.Errorf("%v has no request id", got)
	}
}

// TestASyncThatFailedIsFinal: the kernel may have dropped the bytes that it could not write, and calls the
// next sync a success. So an upload whose sync failed cannot be completed by asking again.
func TestASyncThatFailedIsFinal(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := serve(t)
	w := newWire(t, s)
	location, err := w.begin(fresh)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(s.dir, "_uploads", location[strings.LastIndex(location, "/")+1:]+".data")
	put := func(body string) error { return w.complete(location, body, "content") }
	failed := 0
	strace := s.attach(t, &tracer{saw: func(c call) {
		if strings.Contains(c.text, "(INJECTED)") {
			failed++
		}
	}}, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO", "-P", data)
	wantClearError(t, put("content"))
	detach(t, strace)
	if failed != 1 {
		t.Fatalf("%d syncs of the upload failed, want 1", failed)
	}
	if err := put(""); !httpapitest.Refused(err, http.StatusNotFound) {
		t.Errorf("asked again: got %v, want 404: the bytes have to be sent again", err)
	}
	if err := w.pushBlob(fresh, "content"); err != nil {
		t.Errorf("pushed again: %v", err)
	}
	checkStore(t, s.dir, w.acknowledged...)
}
