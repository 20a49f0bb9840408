package faulty

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// The errors that an Injector makes.
var (
	// ErrCut is the answer of every call at and after a cut.
	ErrCut = errors.New("cut off, as by a crash")
	// ErrInjected is the answer of a call that was made to fail once.
	ErrInjected = errors.New("injected failure")
)

// Plan says where to break. Steps are counted from one; zero breaks nowhere.
type Plan struct {
	// CutAt is the writing step that does not happen any more, nor anything after it: what a crash
	// leaves. An append is cut in the middle of its bytes.
	CutAt int
	// FailAt is the writing step that fails once and leaves nothing behind; an append keeps what it
	// took before.
	FailAt int
	// FailAfter is the writing step that happens and fails all the same, as when an answer is lost.
	FailAfter int
	// FailReadAt is the reading step that fails once.
	FailReadAt int
	// Err is what a failure is, instead of ErrInjected alone: storage.ErrNoSpace, say.
	Err error
}

// Injector counts the steps of the Stores that share it, and breaks them as planned.
type Injector struct {
	plan Plan

	mu    sync.Mutex
	steps []string // guarded by mu; what each writing step was
	reads int      // guarded by mu
	cut   bool     // guarded by mu
}

// NewInjector begins a count.
func NewInjector(plan Plan) *Injector { return &Injector{plan: plan} }

// Steps are the writing steps so far, each with what it was on.
func (in *Injector) Steps() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.steps)
}

// Reads is the number of reading steps so far.
func (in *Injector) Reads() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.reads
}

// Broken tells whether the planned step was reached.
func (in *Injector) Broken() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	step, p := len(in.steps), in.plan
	return in.cut || p.FailAt > 0 && step >= p.FailAt || p.FailAfter > 0 && step >= p.FailAfter ||
		p.FailReadAt > 0 && in.reads >= p.FailReadAt
}

// outcome is what happens to one writing step.
type outcome uint8

const (
	pass      outcome = iota
	failFirst         // it does not happen
	failLast          // it happens
	cutFirst          // it does not happen, and nothing after it
	cutBefore         // the cut was before it
)

// step counts a writing step and says what happens to it.
func (in *Injector) step(what string) outcome {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cut {
		return cutBefore
	}
	in.steps = append(in.steps, what)
	switch n := len(in.steps); n {
	case in.plan.CutAt:
		in.cut = true
		return cutFirst
	case in.plan.FailAt:
		return failFirst
	case in.plan.FailAfter:
		return failLast
	}
	return pass
}

// write runs a writing step as far as it is let.
func (in *Injector) write(what string, do func() error) error {
	v := in.step(what)
	if v == pass {
		return do()
	}
	if v == failLast {
		if err := do(); err != nil {
			return err
		}
	}
	return in.failure(what, v)
}

// failure is the error of a step that was broken.
func (in *Injector) failure(what string, v outcome) error {
	switch {
	case v == cutFirst || v == cutBefore:
		return fmt.Errorf("%s: %w", what, ErrCut)
	case in.plan.Err != nil:
		return fmt.Errorf("%s: %w: %w", what, ErrInjected, in.plan.Err)
	}
	return fmt.Errorf("%s: %w", what, ErrInjected)
}

// read counts a reading step and breaks it if that is planned.
func (in *Injector) read(what string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cut {
		return in.failure(what, cutBefore)
	}
	in.reads++
	if in.reads == in.plan.FailReadAt {
		return in.failure(what, failFirst)
	}
	return nil
}
