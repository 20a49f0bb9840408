package memory_test

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/memory"
	"github.com/sreg-project/sreg/internal/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) storage.Store { return memory.New(memory.Options{}) })
}

// TestStores is of two users of one Store, as there are two processes on one folder.
func TestStores(t *testing.T) {
	t.Parallel()
	storagetest.RunShared(t, func(*testing.T) func() storage.Store {
		s := memory.New(memory.Options{})
		return func() storage.Store { return s }
	})
}

// TestASessionTellsHowFarItIs while its writer waits for more.
func TestASessionTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{})
	u := newUpload(t, s, "u")
	body, sender := io.Pipe()
	done := make(chan error)
	go func() { // ends with the body
		_, err := u.Append(t.Context(), body)
		done <- err
	}()
	size := 0
	for _, piece := range []string{"a", strings.Repeat("b", 100_000), "c"} {
		size += len(piece)
		if _, err := sender.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
		// The last read may still be under way.
		for {
			session, _, err := s.StatUpload(t.Context(), "u")
			must(t, err)
			if session.Size > int64(size) {
				t.Fatalf("%d bytes have arrived, want %d", session.Size, size)
			}
			if session.Size == int64(size) {
				break
			}
			runtime.Gosched()
		}
	}
	must(t, sender.Close())
	must(t, <-done)
}

// TestAListingOfManyPages compares it with what was put, also from its middle on.
func TestAListingOfManyPages(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{})
	var flat, folders []string
	for i := range 1000 {
		folder := fmt.Sprintf("%04d/", i)
		folders = append(folders, folder)
		flat = append(flat, folder+"a", folder+"b")
		put(t, s, "p/"+folder+"a", "")
		put(t, s, "p/"+folder+"b", "")
	}
	for _, tt := range []struct {
		opts storage.ListOptions
		want []string
	}{
		{storage.ListOptions{}, folders},
		{storage.ListOptions{Deep: true}, flat},
		{storage.ListOptions{After: "0499/"}, folders[500:]},
		{storage.ListOptions{After: "0499/b", Deep: true}, flat[1000:]},
	} {
		var got []string
		for entry, err := range s.List(t.Context(), "p", tt.opts) {
			must(t, err)
			got = append(got, entry.Name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %d names, want %d", tt.opts, len(got), len(tt.want))
		}
	}
	for _, name := range flat {
		must(t, s.Condemn(t.Context(), "p/"+name))
	}
	var got []string
	for condemnation, err := range s.Condemned(t.Context(), "p") {
		must(t, err)
		got = append(got, strings.TrimPrefix(condemnation.Key, "p/"))
	}
	if !slices.Equal(got, flat) {
		t.Errorf("%d are condemned, want %d", len(got), len(flat))
	}
}

// TestAnObjectOfManyPiecesIsReadFromAnywhere seeks over the ends of pieces.
func TestAnObjectOfManyPiecesIsReadFromAnywhere(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{})
	u := newUpload(t, s, "u")
	var want strings.Builder
	for i, size := range []int{1, 3, 200_000, 7, 65_536, 65_537} {
		piece := strings.Repeat(strconv.Itoa(i), size)
		want.WriteString(piece)
		_, err := u.Append(t.Context(), strings.NewReader(piece))
		must(t, err)
	}
	_, err := u.Commit(t.Context(), "a")
	must(t, err)
	r, _, err := s.Open(t.Context(), "a")
	must(t, err)
	defer r.Close()
	for _, at := range []int{0, 1, 3, 4, 5, 65_540, 200_003, 200_004, 200_011, 265_547, want.Len() - 1, want.Len()} {
		for _, most := range []int{1, 10, 100_000, want.Len()} {
			_, err := r.Seek(int64(at), io.SeekStart)
			must(t, err)
			got, err := io.ReadAll(io.LimitReader(r, int64(most)))
			if end := min(at+most, want.Len()); err != nil || string(got) != want.String()[at:end] {
				t.Errorf("%d bytes at %d: got %d, %v", most, at, len(got), err)
			}
		}
	}
}
