// Package storagetest proves that a Store keeps the contract of package storage.
// It promises one subtest for each sentence of the contract, named after it, for one Store (Run) and
// for several Stores on one place (RunShared).
// It must not know which Store it tests.
package storagetest

import (
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

// proof is one promise of the contract and the function that tries to break it.
type proof struct {
	promise string
	try     func(t *testing.T, s storage.Store)
}

// Run proves one Store. The function opens an empty one and closes it when its test ends.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, group := range []struct {
		name   string
		proofs []proof
	}{
		{"reader", readerProofs},
		{"list", listProofs},
		{"put", putProofs},
		{"delete", deleteProofs},
		{"pending", pendingProofs},
		{"keeper", keeperProofs},
		{"uploads", uploadProofs},
		{"store", storeProofs},
		{"power", powerProofs},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range group.proofs {
				t.Run(p.promise, func(t *testing.T) {
					t.Parallel()
					p.try(t, open(t))
				})
			}
		})
	}
}

// RunShared proves that several Stores on one place are one: what a second process, a restarted one
// and another instance rest on. The function makes a place and returns what opens it, which is called
// several times and closes the Store when the test ends.
func RunShared(t *testing.T, place func(t *testing.T) (open func() storage.Store)) {
	for _, p := range sharedProofs {
		t.Run(p.promise, func(t *testing.T) {
			t.Parallel()
			open := place(t)
			p.try(t, open(), open())
		})
	}
}
