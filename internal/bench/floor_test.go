package bench

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// connect starts a floor in this process and opens a connection to it.
func connect(t *testing.T, h http.Handler) *client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := dial(strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func TestWhatIsPushedToTheFloorIsPulledFromIt(t *testing.T) {
	t.Parallel()
	c := connect(t, newFloor(t.TempDir()))
	img := newImage(16<<10, 1)

	if err := c.pushImage("a/b", "latest", img); err != nil {
		t.Fatal(err)
	}
	for path, digest := range map[string]string{
		manifestPath("a/b", "latest"):      img.digest,
		blobPath("a/b", img.config.digest): img.config.digest,
		blobPath("a/b", img.layer.digest):  img.layer.digest,
	} {
		if err := c.check(path, digest); err != nil {
			t.Error(err)
		}
	}
}

func TestTheFloorAnswersManifestsWithTheHeadersOfARegistry(t *testing.T) {
	t.Parallel()
	c := connect(t, newFloor(t.TempDir()))
	img := newImage(1<<10, 1)
	if err := c.pushManifest("a", "v1", img.manifest); err != nil {
		t.Fatal(err)
	}

	for name, req := range map[string]request{
		"GET": get(manifestPath("a", "v1")), "HEAD": headOf(manifestPath("a", "v1")),
	} {
		got, err := c.do(req, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.length != int64(len(img.manifest)) || got.digest != img.digest {
			t.Errorf("%s: got length %d and digest %s, want %d and %s",
				name, got.length, got.digest, len(img.manifest), img.digest)
		}
	}
}

func TestTheFloorRefusesABlobOfAnotherDigest(t *testing.T) {
	t.Parallel()
	c := connect(t, newFloor(t.TempDir()))
	b := blobOf([]byte("some bytes"))
	b.tail = []byte("more")

	if err := c.pushBlob("a", b); err == nil || !strings.Contains(err.Error(), "want "+b.digest) {
		t.Errorf("got %v, want an error with the digest", err)
	}
}

func TestTheFloorDoesNotKnowWhatNobodyPushed(t *testing.T) {
	t.Parallel()
	c := connect(t, newFloor(t.TempDir()))

	for _, path := range []string{manifestPath("a", "v1"), blobPath("a", digestOf(nil))} {
		if _, err := c.do(get(path), nil); err == nil || !strings.Contains(err.Error(), "got 404") {
			t.Errorf("%s: got %v, want 404", path, err)
		}
	}
}
