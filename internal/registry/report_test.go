package registry_test

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
)

func TestReportsAreKeptAsTheyAreGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	for what, read := range map[string]func() ([]byte, error){
		"report": func() ([]byte, error) { return m.Report(w.ctx) },
		"state":  func() ([]byte, error) { return m.VerifyState(w.ctx) },
	} {
		if got, err := read(); got != nil || err != nil {
			t.Errorf("a %s before there is one: %q, %v", what, got, err)
		}
	}
	w.must(m.KeepReport(w.ctx, []byte(`{"a":1}`)), m.KeepVerifyState(w.ctx, []byte("as far as b")))
	if got, err := m.Report(w.ctx); string(got) != `{"a":1}` || err != nil {
		t.Errorf("the report is %q, %v", got, err)
	}
	if got, err := m.VerifyState(w.ctx); string(got) != "as far as b" || err != nil {
		t.Errorf("the state is %q, %v", got, err)
	}
	w.must(m.KeepReport(w.ctx, []byte("{")), m.DropVerifyState(w.ctx), m.DropVerifyState(w.ctx))
	if got, err := m.Report(w.ctx); !errors.Is(err, registry.ErrDamaged) {
		t.Errorf("a damaged report is %q, %v", got, err)
	}
	if got, err := m.VerifyState(w.ctx); got != nil || err != nil {
		t.Errorf("a state that was dropped is %q, %v", got, err)
	}
}

// TestOneProcessCollectsAndOneVerifies: not more than one of each at a time.
func TestOneProcessCollectsAndOneVerifies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inFolder(t))
	m := w.reg.Maintenance()
	for _, claim := range []func(note string) (release func(), err error){
		func(note string) (func(), error) {
			_, release, err := m.ClaimCollector(w.ctx, note)
			return release, err
		},
		func(note string) (func(), error) {
			_, release, err := m.ClaimVerify(w.ctx, note)
			return release, err
		},
	} {
		release, err := claim("the first")
		w.must(err)
		var claimed *registry.ClaimedError
		if _, err := claim("the second"); !errors.As(err, &claimed) || claimed.Note != "the first" {
			t.Errorf("got %v, want that the first one has it", err)
		}
		release()
		release, err = claim("the third")
		w.must(err)
		release()
	}
}
