package bench

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
)

// TestTheRowsAboutS3AreMeasured has floors in all places: those know no redirects, and ask no service.
func TestTheRowsAboutS3AreMeasured(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), Options{
		Sreg: self, Peer: self, Floor: self, S3: self, Only: regexp.MustCompile("^s3-(push|memory|manifest|parallel|pull-stream|requests-push)"),
		Short: true, Temp: t.TempDir(), Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 9; len(results) != want {
		t.Errorf("rows: got %d, want %d", len(results), want)
	}
	for _, r := range results {
		if r.Verdict == Failed {
			t.Errorf("%s: %s", r.ID, r.Error)
		}
	}
}

// TestACounterCountsAndChangesNothing has a service that wants the host that the contestant called.
func TestACounterCountsAndChangesNothing(t *testing.T) {
	t.Parallel()
	var host, path string
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		host, path = r.Host, r.URL.RequestURI()
	}))
	defer service.Close()
	c := newCounter(service.Listener.Addr().String())
	defer c.Close()
	for range 3 {
		response, err := http.Get(c.URL + "/bucket/a%2Fb?list-type=2")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if got := c.requests.Load(); got != 3 || host != c.address() || path != "/bucket/a%2Fb?list-type=2" {
		t.Errorf("got %d requests, the last one for %s at %s", got, path, host)
	}
}
