package s3

import (
	"bytes"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

func TestRecordComesBackAndItsLengthTellsItsState(t *testing.T) {
	t.Parallel()
	for _, key := range []storage.DataKey{"", "1:x:_bytes/a~1"} {
		for state := range stateCount {
			for size := range 10 {
				want := record{State: state, Nonce: newNonce(), Turn: newNonce(), DataKey: key, Data: bytes.Repeat([]byte("\n"), size)}
				b, err := want.encode()
				if err != nil {
					t.Fatal(err)
				}
				if got := stateOf(int64(len(b))); got != state {
					t.Errorf("%d bytes tell the state %d, want %d", len(b), got, state)
				}
				got, err := decode(b, int64(len(b)))
				if err != nil || got.State != state || got.Nonce != want.Nonce || got.Turn != want.Turn || got.DataKey != key || !bytes.Equal(got.Data, want.Data) {
					t.Errorf("record %q reads %+v, %v, want %+v", b, got, err, want)
				}
				for cut := range b {
					if _, err := decode(b[:cut], int64(len(b[:cut]))); err == nil && key == "" {
						t.Errorf("%q, cut to %d bytes, is taken for a record", b, cut)
					}
				}
			}
		}
	}
}

func TestTombstonesWithoutBytesAreOfOneLength(t *testing.T) {
	t.Parallel()
	bare := record{State: live, Nonce: newNonce(), Data: []byte("some data"), Size: 9}.tombstone()
	bare.Size = 0
	bare.Turn = newNonce()
	b, err := bare.encode()
	if err != nil || int64(len(b)) != bareTombstone() {
		t.Errorf("a tombstone has %d bytes, %v, want %d", len(b), err, bareTombstone())
	}
	bare.DataKey = "1:x:_bytes/a~1"
	if b, err = bare.encode(); err != nil || int64(len(b)) == bareTombstone() {
		t.Errorf("a tombstone that names bytes has %d bytes, %v, as one that does not", len(b), err)
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range []record{{}, {State: condemned, Data: []byte("data\n\n")}, {State: gone, DataKey: "3:x:_bytes/a~1", Size: 3}} {
		b, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("sreg1 {}   \n"))
	f.Add([]byte(`sreg1 {"size":-1,"place":"x"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b, int64(len(b)))
		if err != nil {
			return
		}
		if r.Size < 0 || r.State >= stateCount || r.DataKey == "" && r.Size != int64(len(r.Data)) {
			t.Fatalf("%q is taken for %+v", b, r)
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(again, int64(len(again)))
		if err != nil || back.State != r.State || back.DataKey != r.DataKey || !bytes.Equal(back.Data, r.Data) {
			t.Fatalf("%q reads %+v, written anew %+v, %v", b, r, back, err)
		}
	})
}
