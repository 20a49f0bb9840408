package server

// hinted is an error for people, with what they can do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Hint() string { return e.hint }

func (e hinted) Unwrap() error { return e.error }
