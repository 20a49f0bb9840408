package storagetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

var storeProofs = []proof{
	{"a cancelled context makes every call return its error, and nothing happens", tryCancelled},
	{"an append that is cancelled says how much it took", tryCancelledAppend},
	{"probe shows that the store answers, and leaves nothing", tryProbe},
	{"sweep removes what is older than an age and nothing that has a name", trySweep},
	{"a claim does not wait, and names its holder by the note", tryClaim},
	{"a claim ends with its release and with its context", tryClaimEnd},
	{"objects that are open stay readable after close", tryClose},
}

func tryCancelled(t *testing.T, s storage.Store) {
	put(t, s, "live", "x")
	put(t, s, "condemned", "x")
	condemn(t, s, "condemned")
	pending := prepare(t, s, "draft", "x")
	u := newUpload(t, s, "u", "")
	appendTo(t, u, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	for _, key := range []string{"live", "condemned", "none"} {
		for method, err := range byKey(ctx, s, key) {
			wantError(t, method+" of "+key, err, context.Canceled)
		}
	}
	wantError(t, "publish", pending.Publish(ctx), context.Canceled)
	wantError(t, "create upload", s.CreateUpload(ctx, "v", nil), context.Canceled)
	_, _, err := s.StatUpload(ctx, "u")
	wantError(t, "stat upload", err, context.Canceled)
	_, err = u.Append(ctx, strings.NewReader("y"))
	wantError(t, "append", err, context.Canceled)
	_, err = u.Commit(ctx, "committed")
	wantError(t, "commit", err, context.Canceled)
	wantError(t, "probe", s.Probe(ctx), context.Canceled)
	_, _, err = s.Claim(ctx, "claimed", "")
	wantError(t, "claim", err, context.Canceled)
	for what, err := range listings(ctx, s) {
		wantError(t, what, err, context.Canceled)
	}

	wantNames(t, s, "", storage.ListOptions{Deep: true}, "live")
	wantContent(t, s, "live", "x", storage.Live)
	wantContent(t, s, "condemned", "x", storage.Condemned)
	wantDrafts(t, s, "", "draft")
	if got := sessionIDs(t, s); len(got) != 1 || u.Size() != 1 {
		t.Errorf("sessions are %q with %d bytes, want u with one", got, u.Size())
	}
}

// listings runs every listing to its end and returns the last error of each.
func listings(ctx context.Context, s storage.Store) map[string]error {
	errs := map[string]error{"list": nil, "condemned": nil, "drafts": nil, "list uploads": nil}
	for _, err := range s.List(ctx, "", storage.ListOptions{Deep: true}) {
		errs["list"] = err
	}
	for _, err := range s.Condemned(ctx, "") {
		errs["condemned"] = err
	}
	for _, err := range s.Drafts(ctx, "") {
		errs["drafts"] = err
	}
	for _, err := range s.ListUploads(ctx) {
		errs["list uploads"] = err
	}
	return errs
}

// tryCancelledAppend cancels in the middle of the bytes. The store may notice or take the rest, but
// must say which.
func tryCancelledAppend(t *testing.T, s storage.Store) {
	u := newUpload(t, s, "u", "")
	ctx, cancel := context.WithCancel(t.Context())
	rest := strings.Repeat("y", 100_000)
	n, err := u.Append(ctx, io.MultiReader(strings.NewReader("xxx"), cancelling{cancel}, strings.NewReader(rest)))
	if n != u.Size() || n < 3 || err == nil && n != int64(3+len(rest)) {
		t.Fatalf("append = %d, %v, size %d", n, err, u.Size())
	}
	if _, err := u.Commit(t.Context(), "a"); err != nil {
		t.Fatalf("commit: %v", err)
	}
	wantContent(t, s, "a", ("xxx" + rest)[:n], storage.Live)
}

// cancelling is an empty reader that cancels when it is read.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) Read([]byte) (int, error) {
	c.cancel()
	return 0, io.EOF
}

func tryProbe(t *testing.T, s storage.Store) {
	for range 3 {
		wantError(t, "probe", s.Probe(t.Context()), nil)
	}
	wantNames(t, s, "", storage.ListOptions{Deep: true})
	if removed, err := s.Sweep(t.Context(), 0); removed != 0 || err != nil {
		t.Errorf("sweep after probe = %d, %v, want nothing to sweep", removed, err)
	}
}

func trySweep(t *testing.T, s storage.Store) {
	put(t, s, "live", "x")
	put(t, s, "condemned", "x")
	condemn(t, s, "condemned")
	appendTo(t, newUpload(t, s, "u", "label"), "x")
	prepare(t, s, "draft", "x")
	for _, tt := range []struct {
		age     time.Duration
		removed int
	}{{time.Hour, 0}, {0, 1}, {0, 0}} {
		removed, err := s.Sweep(t.Context(), tt.age)
		if removed != tt.removed || err != nil {
			t.Errorf("sweep of what is older than %v = %d, %v, want %d", tt.age, removed, err, tt.removed)
		}
	}
	wantDrafts(t, s, "")
	wantContent(t, s, "live", "x", storage.Live)
	wantContent(t, s, "condemned", "x", storage.Condemned)
	if got := sessionIDs(t, s); len(got) != 1 {
		t.Errorf("sessions are %q, want u", got)
	}
}

func claim(t *testing.T, s storage.Store, name, note string) (held context.Context, release func()) {
	t.Helper()
	held, release, err := s.Claim(t.Context(), name, note)
	if err != nil {
		t.Fatalf("claim %s: %v", name, err)
	}
	t.Cleanup(release)
	return held, release
}

func wantClaimed(t *testing.T, s storage.Store, name, note string) {
	t.Helper()
	_, _, err := s.Claim(t.Context(), name, "another")
	var claimed *storage.ClaimedError
	if !errors.As(err, &claimed) || claimed.Name != name || claimed.Note != note {
		t.Errorf("claim what is held: %v, want the note %q", err, note)
	}
}

func tryClaim(t *testing.T, s storage.Store) {
	claim(t, s, "a", "somebody, since a long time ago")
	wantClaimed(t, s, "a", "somebody, since a long time ago")
	claim(t, s, "b", "the name is another one")
}

func tryClaimEnd(t *testing.T, s storage.Store) {
	held, release := claim(t, s, "a", "long words of one who was here first")
	release()
	release()
	wantError(t, "context of what was released", held.Err(), context.Canceled)
	claim(t, s, "a", "next")
	wantClaimed(t, s, "a", "next")

	ctx, cancel := context.WithCancel(t.Context())
	held, release, err := s.Claim(ctx, "b", "")
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	t.Cleanup(release)
	cancel()
	wantError(t, "context of a claim whose parent ended", held.Err(), context.Canceled)
}

func tryClose(t *testing.T, s storage.Store) {
	put(t, s, "a", "data")
	r, _, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wantError(t, "close", s.Close(), nil)
	if b, err := io.ReadAll(r); err != nil || string(b) != "data" {
		t.Errorf("read after close = %q, %v, want data", b, err)
	}
}
