package storagetest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

var readerProofs = []proof{
	{"live and condemned objects are found alike", tryFoundAlike},
	{"what is gone is not found", tryGone},
	{"a folder is no object", tryFolder},
	{"an open object can be sought", trySeek},
	{"an object that is deleted while it is open can be read to its end", tryDeletedWhileOpen},
	{"an object is found while it is condemned or revived", tryFoundInMotion},
	{"stat says when the object was written", tryModTime},
	{"equal settled stamps of a key mean equal content", tryStamp},
	{"keys that differ by case are different objects", tryCase},
	{"a key component has up to 255 bytes", tryLongKey},
	{"a malformed key is refused by every method", tryMalformedKeys},
}

func tryFoundAlike(t *testing.T, s storage.Store) {
	for _, data := range []string{"", "x", strings.Repeat("0123456789abcdef", 10_000)} {
		key := fmt.Sprintf("a/b-%d", len(data))
		put(t, s, key, data)
		wantContent(t, s, key, data, storage.Live)
		condemn(t, s, key)
		wantContent(t, s, key, data, storage.Condemned)
	}
}

func tryGone(t *testing.T, s storage.Store) {
	wantGone(t, s, "never")
	wantGone(t, s, "never/there")
	put(t, s, "a/b", "x")
	remove(t, s, "a/b")
	wantGone(t, s, "a/b")
	wantGone(t, s, "a/b/c")
}

func tryFolder(t *testing.T, s storage.Store) {
	put(t, s, "a/b/c", "x")
	wantGone(t, s, "a/b")
	wantGone(t, s, "a")
}

func trySeek(t *testing.T, s storage.Store) {
	put(t, s, "a", "0123456789")
	r, _, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, tt := range []struct {
		offset int64
		whence int
		want   string
	}{{4, io.SeekStart, "456789"}, {-2, io.SeekEnd, "89"}, {0, io.SeekStart, "0123456789"}, {-10, io.SeekCurrent, "0123456789"}} {
		if _, err := r.Seek(tt.offset, tt.whence); err != nil {
			t.Fatalf("seek %d from %d: %v", tt.offset, tt.whence, err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != tt.want {
			t.Errorf("read after seek %d from %d = %q, %v, want %q", tt.offset, tt.whence, b, err, tt.want)
		}
	}
}

func tryDeletedWhileOpen(t *testing.T, s storage.Store) {
	data := strings.Repeat("0123456789abcdef", 100_000)
	for name, end := range map[string]func(key string){
		"deleted": func(key string) { remove(t, s, key) },
		"destroyed": func(key string) {
			condemn(t, s, key)
			wantError(t, "destroy", s.Destroy(t.Context(), key, storage.DeleteOptions{}), nil)
		},
	} {
		put(t, s, name, data)
		r, _, err := s.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.CopyN(io.Discard, r, 10); err != nil {
			t.Fatal(err)
		}
		end(name)
		wantGone(t, s, name)
		if b, err := io.ReadAll(r); err != nil || string(b) != data[10:] {
			t.Errorf("%s: read on = %d bytes, %v, want %d", name, len(b), err, len(data)-10)
		}
	}
}

// tryFoundInMotion makes one change while others read; a reader that looks in two places in turn
// must not fall between them.
func tryFoundInMotion(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "x")
	change := func(i int) error {
		if i%2 == 0 {
			return s.Condemn(t.Context(), "a/b")
		}
		_, err := s.Revive(t.Context(), "a/b")
		return err
	}
	for round := range 100 {
		race(5, func(i int) {
			if i == 0 {
				wantError(t, "change of state", change(round), nil)
				return
			}
			if _, err := s.Stat(t.Context(), "a/b"); err != nil {
				t.Errorf("stat: %v", err)
			}
			if _, err := s.Get(t.Context(), "a/b"); err != nil {
				t.Errorf("get: %v", err)
			}
		})
	}
}

func tryModTime(t *testing.T, s storage.Store) {
	const slack = 2 * time.Second // clocks of file systems and services tick coarsely
	before := time.Now().Add(-slack)
	put(t, s, "a", "x")
	info, err := s.Stat(t.Context(), "a")
	if err != nil || info.ModTime.Before(before) || info.ModTime.After(time.Now().Add(slack)) {
		t.Errorf("stat says %v, %v, want about %v", info.ModTime, err, time.Now())
	}
}

func tryStamp(t *testing.T, s storage.Store) {
	settled := func() (info storage.Info, ok bool) {
		ok = eventually(t.Context(), 5*time.Second, func() bool {
			var err error
			info, err = s.Stat(t.Context(), "a")
			return err == nil && info.Settled
		})
		return info, ok
	}
	put(t, s, "a", "x")
	first, ok := settled()
	if !ok {
		return // the stamps of a Store may never settle; then no cache rests on them
	}
	put(t, s, "a", "y") // as long as before
	if now, err := s.Stat(t.Context(), "a"); err != nil || now.Settled && now.Stamp == first.Stamp {
		t.Errorf("stat after a change = %+v, %v, want another stamp than %v", now, err, first.Stamp)
	}
	if second, ok := settled(); ok && second.Stamp == first.Stamp {
		t.Errorf("stamp %v is that of two contents", first.Stamp)
	}
}

func tryCase(t *testing.T, s storage.Store) {
	for _, key := range []string{"f/latest", "f/Latest", "f/LATEST", "F/latest"} {
		put(t, s, key, key)
	}
	for _, key := range []string{"f/latest", "f/Latest", "f/LATEST", "F/latest"} {
		wantContent(t, s, key, key, storage.Live)
	}
	wantNames(t, s, "f", storage.ListOptions{}, "LATEST", "Latest", "latest")
	remove(t, s, "f/Latest")
	wantContent(t, s, "f/latest", "f/latest", storage.Live)
}

func tryLongKey(t *testing.T, s storage.Store) {
	long := strings.Repeat("k", 255)
	put(t, s, long+"/"+long, "x")
	wantContent(t, s, long+"/"+long, "x", storage.Live)
	condemn(t, s, long+"/"+long)
	if _, err := s.Revive(t.Context(), long+"/"+long); err != nil {
		t.Errorf("revive a long key: %v", err)
	}
	remove(t, s, long+"/"+long)
	wantGone(t, s, long+"/"+long)
}

func tryMalformedKeys(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a\x00b", strings.Repeat("k", 256), "a/" + strings.Repeat("k", 256)} {
		for method, err := range byKey(t.Context(), s, key) {
			wantError(t, fmt.Sprintf("%s of key %q", method, brief([]byte(key))), err, storage.ErrKey)
		}
		_, err := u.Commit(t.Context(), key)
		wantError(t, fmt.Sprintf("commit to key %q", brief([]byte(key))), err, storage.ErrKey)
	}
	wantNames(t, s, "", storage.ListOptions{Deep: true})
}

// byKey calls every method that takes a key and returns their errors by their names.
func byKey(ctx context.Context, s storage.Store, key string) map[string]error {
	errs := map[string]error{}
	r, _, err := s.Open(ctx, key)
	if err == nil {
		r.Close()
	}
	errs["open"] = err
	_, errs["get"] = s.Get(ctx, key)
	_, errs["stat"] = s.Stat(ctx, key)
	_, errs["put"] = s.Put(ctx, key, []byte("x"), storage.PutOptions{})
	_, errs["put of nothing"] = s.Put(ctx, key, nil, storage.PutOptions{})
	_, errs["put if absent"] = s.Put(ctx, key, nil, storage.PutOptions{IfAbsent: true})
	_, errs["prepare"] = s.Prepare(ctx, key, []byte("x"))
	errs["delete"] = s.Delete(ctx, key, storage.DeleteOptions{})
	errs["condemn"] = s.Condemn(ctx, key)
	_, errs["revive"] = s.Revive(ctx, key)
	errs["destroy"] = s.Destroy(ctx, key, storage.DeleteOptions{})
	return errs
}
