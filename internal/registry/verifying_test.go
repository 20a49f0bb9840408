package registry

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

// oneByte gives little at a time.
type oneByte struct {
	content
	slow io.Reader
}

func (o oneByte) Read(p []byte) (int, error) { return o.slow.Read(p) }

func TestWrongContentNeverComesWhole(t *testing.T) {
	t.Parallel()
	good := []byte("what was pushed")
	d := oci.DigestOf(oci.SHA256, good)
	for _, tt := range []struct {
		name string
		sent string
		ok   bool
	}{
		{"what was pushed", string(good), true},
		{"another byte at the end", "what was pusheD", false},
		{"another byte at the start", "What was pushed", false},
		{"less", "what was", false},
		{"more", "what was pushEd, and more", false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, slow := range []bool{false, true} {
				from := content{bytes.NewReader([]byte(tt.sent))}
				var in io.ReadSeekCloser = from
				if slow {
					in = oneByte{from, iotest.OneByteReader(from)}
				}
				v := newVerifying(in, d, storage.Info{Size: int64(len(good)), DataKey: "somewhere"})
				got, err := io.ReadAll(v)
				if tt.ok != (err == nil) || tt.ok != bytes.Equal(got, good) {
					t.Errorf("read %q, %v", got, err)
				}
				if !tt.ok && (!errors.Is(err, ErrDamaged) || len(got) >= len(good)) {
					t.Errorf("read %d bytes, %v, want fewer than %d and %v", len(got), err, len(good), ErrDamaged)
				}
			}
		})
	}
}

func TestPartsAreNotCompared(t *testing.T) {
	t.Parallel()
	good := []byte("what was pushed")
	v := newVerifying(content{bytes.NewReader(good)}, oci.DigestOf(oci.SHA256, good), storage.Info{Size: int64(len(good))})
	for _, at := range []int64{5, 0, 3, 0} {
		if _, err := v.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(v); err != nil || !bytes.Equal(got, good[at:]) {
			t.Errorf("from %d on: %q, %v", at, got, err)
		}
	}
}
