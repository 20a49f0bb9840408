package events_test

import (
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/events"
	"github.com/sreg-project/sreg/internal/secret"
)

// The expected value is that of another program:
// printf '1800000000.{"events":[]}' | openssl dgst -sha256 -hmac 'test key'
func TestASignatureIsWhatOpensslMakes(t *testing.T) {
	t.Parallel()
	got := events.Sign(secret.New("test key"), time.Unix(1_800_000_000, 999), []byte(`{"events":[]}`))
	want := "t=1800000000,v1=beb2ccb097d680a20c52e37a239da968d2bb8422c4395d972f106b5d28156819"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestASignatureChangesWithTimeBodyAndKey(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	seen := map[string]bool{}
	for _, signature := range []string{
		events.Sign(secret.New("a"), now, []byte("body")),
		events.Sign(secret.New("b"), now, []byte("body")),
		events.Sign(secret.New("a"), now.Add(time.Second), []byte("body")),
		events.Sign(secret.New("a"), now, []byte("body ")),
	} {
		digest := signature[len("t=1800000000,"):]
		if seen[digest] {
			t.Errorf("got %s twice", digest)
		}
		seen[digest] = true
	}
}

func TestWithoutAKeyThereIsNoSignature(t *testing.T) {
	t.Parallel()
	if got := events.Sign(secret.Value{}, time.Unix(0, 0), []byte("body")); got != "" {
		t.Errorf("got %s, want nothing", got)
	}
}
