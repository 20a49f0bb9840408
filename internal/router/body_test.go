package router

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
)

func TestBodiesOfAllRequestsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		size    int
		kept    int64 // of other requests
		streams bool
		want    error
	}{
		{name: "a short one is always taken", size: freeBody, kept: maxBodies},
		{name: "a long one is not, where others take all", size: freeBody + 1, kept: maxBodies, want: ErrBodiesFull},
		{name: "a long one is taken where there is room", size: freeBody + 10, kept: maxBodies - 10},
		{name: "one that streams takes nothing", size: 10 * freeBody, kept: maxBodies, streams: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var kept atomic.Int64
			kept.Store(tt.kept)
			b := body{from: io.NopCloser(strings.NewReader(strings.Repeat("x", tt.size))), length: -1, kept: &kept}
			if tt.streams {
				b.stream()
			}
			if _, err := io.Copy(io.Discard, &b); !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			b.end()
			if got := kept.Load(); got != tt.kept {
				t.Errorf("got %d bytes kept behind it, want the %d of the others", got, tt.kept)
			}
		})
	}
}
