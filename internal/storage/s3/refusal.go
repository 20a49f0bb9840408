package s3

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// isRefusal tells whether another request was in the way, condition or not: the same one may be taken in a
// moment.
func isRefusal(err error) bool { return status(err) == http.StatusConflict }

// How often a service may refuse what nothing speaks against, and for how long it is left alone after the
// first time.
const (
	maxRefusals  = 10
	refusalPause = 20 * time.Millisecond
)

// rest waits, or until the context ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// insist makes a request again, after a pause, while the service refuses it because another one is in the way.
// In the end that is ErrBusy.
func insist(ctx context.Context, request func() error) error {
	for refusals := 1; ; refusals++ {
		err := request()
		switch {
		case !isRefusal(err):
			return err
		case refusals > maxRefusals:
			return fmt.Errorf("%w: %w", storage.ErrBusy, err)
		}
		if err := rest(ctx, time.Duration(refusals)*refusalPause); err != nil {
			return err
		}
	}
}
