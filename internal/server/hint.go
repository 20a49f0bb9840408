package server

// hinted is an error for people, with what they can do about it.
type hinted struct {
	error
	hint string
}

// Hint says what to do.
func (e hinted) Hint() string { return e.hint }

// Unwrap gives the error without its hint.
func (e hinted) Unwrap() error { return e.error }
