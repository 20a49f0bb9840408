package webhook

import (
	"context"
	"errors"
	"net/url"
)

// Result is how a question ended. Whatever is not Allowed denies.
type Result uint8

// The results. A zero Answer denies.
const (
	Denied      Result = iota // any status but 2xx and 5xx
	Allowed                   // 2xx
	Failed                    // 5xx
	TimedOut                  // no status in time
	Unreachable               // no connection, or no HTTP on it
	Canceled                  // whoever asked went away
	resultCount
)

var resultNames = [resultCount]string{"denied", "allowed", "error", "timeout", "unreachable", "canceled"}

func (r Result) String() string { return resultNames[r] }

// Answer is what came of a question.
type Answer struct {
	Result Result
	// Status is that of HTTP, 0 if there was none.
	Status int
	// Err says why there was no status.
	Err error
	// Cached says that the answer was given to the same question before.
	Cached bool
}

// Allowed reports whether the endpoint said yes.
func (a Answer) Allowed() bool { return a.Result == Allowed }

// Broken reports whether the endpoint or the network failed, so that an operator has to look.
func (a Answer) Broken() bool {
	return a.Result == Failed || a.Result == TimedOut || a.Result == Unreachable
}

// answerOf reads a status.
func answerOf(status int) Answer {
	switch {
	case status >= 200 && status <= 299:
		return Answer{Result: Allowed, Status: status}
	case status >= 500 && status <= 599:
		return Answer{Result: Failed, Status: status}
	}
	return Answer{Result: Denied, Status: status}
}

// failure is the Answer of a request that failed. The URL is left out of the error: its query may hold a key.
func failure(ctx context.Context, err error) Answer {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return Answer{Result: TimedOut, Err: errTimeout}
	case cause != nil:
		return Answer{Result: Canceled, Err: cause}
	}
	return Answer{Result: Unreachable, Err: err}
}
