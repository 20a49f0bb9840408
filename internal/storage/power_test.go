package storage_test

import (
	"context"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

// plain has no power, and signing has one.
type (
	plain   struct{ storage.Store }
	signing struct{ storage.Store }
)

func (signing) Presign(context.Context, storage.DataKey, storage.PresignOptions) (string, error) {
	return "by the store", nil
}

// thin hands everything on, and thick has a method for the power.
type (
	thin  struct{ storage.Store }
	thick struct{ storage.Store }
)

func (t thin) Unwrap() storage.Store { return t.Store }

func (t thick) Unwrap() storage.Store { return t.Store }

func (thick) Presign(context.Context, storage.DataKey, storage.PresignOptions) (string, error) {
	return "by the wrapper", nil
}

func TestTheStoreBehindAllWrappersDecidesWhichPowersThereAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		store storage.Store
		want  string // who signs; empty if nobody can
	}{
		{"a store with the power", signing{}, "by the store"},
		{"a store without", plain{}, ""},
		{"a wrapper does not hide it", thin{thin{signing{}}}, "by the store"},
		{"a wrapper takes part in it", thin{thick{thin{signing{}}}}, "by the wrapper"},
		{"a wrapper alone does not have it", thin{thick{thin{plain{}}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			signer, ok := storage.As[storage.Presigner](tt.store)
			if ok != (tt.want != "") {
				t.Fatalf("it has the power: %t, want %t", ok, tt.want != "")
			}
			if !ok {
				return
			}
			if got, err := signer.Presign(t.Context(), "", storage.PresignOptions{}); got != tt.want || err != nil {
				t.Errorf("signed %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}
