package httpapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

const tenBytes = "0123456789"

func TestABlobIsSentWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("app", tenBytes)
	header := map[string]string{
		"Content-Type": "application/octet-stream", "Content-Length": "10", "Docker-Content-Digest": d.String(),
		"Etag": `"` + d.String() + `"`, "Cache-Control": forever, "Accept-Ranges": "bytes",
		"Docker-Distribution-Api-Version": none, "Content-Range": none,
	}
	f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 200, header: header, body: tenBytes})
	a := f.head("/v2/app/blobs/" + d.String())
	a.wants(t, want{status: 200, header: header})
	if a.body != "" {
		t.Errorf("HEAD has a body of %d bytes", len(a.body))
	}
}

func TestAClientThatHasTheBlobIsToldSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("app", tenBytes)
	for _, method := range []string{"GET", "HEAD"} {
		f.do(call{method: method, path: "/v2/app/blobs/" + d.String(), header: map[string]string{"If-None-Match": `"` + d.String() + `"`}}).
			wants(t, want{status: 304, header: map[string]string{"Etag": `"` + d.String() + `"`, "Content-Length": none}})
	}
}

func TestRangesOfABlob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("app", tenBytes)
	empty := f.pushBlob("app", "")
	for _, tt := range []struct {
		name, rng     string
		status        int
		body, content string
	}{
		{"one", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"one byte", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"the last byte", "bytes=9-9", 206, "9", "bytes 9-9/10"},
		{"all", "bytes=0-9", 206, tenBytes, "bytes 0-9/10"},
		{"past the end", "bytes=8-99", 206, "89", "bytes 8-9/10"},
		{"open", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"a suffix", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"a suffix that is longer", "bytes=-99", 206, tenBytes, "bytes 0-9/10"},
		{"the unit in capitals", "BYTES=2-4", 206, "234", "bytes 2-4/10"},
		{"several that overlap", "bytes=4-6, 0-5,5-5", 206, "0123456", "bytes 0-6/10"},
		{"several, of which one is there", "bytes=12-13,4-5", 206, "45", "bytes 4-5/10"},
		{"empty elements", "bytes=,4-5, ,", 206, "45", "bytes 4-5/10"},
		{"several, of which one is none: ignored", "bytes=0-1,4-x", 200, tenBytes, none},
		{"more than may be asked for: ignored", "bytes=0-0" + strings.Repeat(",2-2", 1024), 200, tenBytes, none},
		{"several behind the end", "bytes=10-,12-13", 416, "", "bytes */10"},
		{"backwards: ignored", "bytes=4-2", 200, tenBytes, none},
		{"another unit: ignored", "lines=1-2", 200, tenBytes, none},
		{"no numbers: ignored", "bytes=a-b", 200, tenBytes, none},
		{"no dash: ignored", "bytes=4", 200, tenBytes, none},
		{"a sign: ignored", "bytes=+1-2", 200, tenBytes, none},
		{"more digits than a number has: ignored", "bytes=" + strings.Repeat("9", 40) + "-", 200, tenBytes, none},
		{"behind the end", "bytes=10-", 416, "", "bytes */10"},
		{"far behind the end", "bytes=100-200", 416, "", "bytes */10"},
		{"a suffix of nothing", "bytes=-0", 416, "", "bytes */10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := f.do(call{method: "GET", path: "/v2/app/blobs/" + d.String(), header: map[string]string{"Range": tt.rng}})
			w := want{status: tt.status, body: tt.body, header: map[string]string{"Content-Range": tt.content, "Docker-Content-Digest": d.String()}}
			if tt.status == 416 {
				w.code = oci.CodeRangeInvalid
			}
			a.wants(t, w)
		})
	}
	t.Run("of an empty blob", func(t *testing.T) {
		t.Parallel()
		path := "/v2/app/blobs/" + empty.String()
		f.get(path).wants(t, want{status: 200, header: map[string]string{"Content-Length": "0"}})
		f.do(call{method: "GET", path: path, header: map[string]string{"Range": "bytes=0-"}}).wants(t, want{status: 416, code: oci.CodeRangeInvalid})
	})
}

// TestSeveralRangesOfABlob: clients that pull parts of a layer ask for all of them at once.
func TestSeveralRangesOfABlob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.severalRanges(t, f.pushBlob("app", tenBytes))
}

func (f *fixture) severalRanges(t *testing.T, d oci.Digest) {
	t.Helper()
	path := "/v2/app/blobs/" + d.String()
	for rng, parts := range map[string][]string{
		"bytes=0-1,4-5":             {"bytes 0-1/10 01", "bytes 4-5/10 45"},
		"bytes=0-1,2-4":             {"bytes 0-1/10 01", "bytes 2-4/10 234"},
		"bytes=8-, 0-0, 3-5":        {"bytes 8-9/10 89", "bytes 0-0/10 0", "bytes 3-5/10 345"},
		"bytes=-2,0-1,1-2,40-50":    {"bytes 0-2/10 012", "bytes 8-9/10 89"},
		"bytes=0-0,2-2,4-4,6-6,8-8": {"bytes 0-0/10 0", "bytes 2-2/10 2", "bytes 4-4/10 4", "bytes 6-6/10 6", "bytes 8-8/10 8"},
	} {
		a := f.do(call{method: "GET", path: path, header: map[string]string{"Range": rng}})
		a.wants(t, want{status: 206, header: map[string]string{"Docker-Content-Digest": d.String(), "Content-Range": none, "Content-Length": strconv.Itoa(len(a.body))}})
		kind, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
		if err != nil || kind != "multipart/byteranges" {
			t.Fatalf("%s: got content type %q, %v", rng, a.header.Get("Content-Type"), err)
		}
		var got []string
		for reader := multipart.NewReader(strings.NewReader(a.body), params["boundary"]); ; {
			part, err := reader.NextPart()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			content, err := io.ReadAll(part)
			must(t, err)
			got = append(got, part.Header.Get("Content-Range")+" "+string(content))
		}
		if !slices.Equal(got, parts) {
			t.Errorf("%s: got %q, want %q", rng, got, parts)
		}
	}
}

// TestThreatManyRangesOverAService: each range is a request to the service, so it is no longer than the part, and there
// are fewer of them than over files.
func TestThreatManyRangesOverAService(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1000)
	cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.Header.Get("Range") != "" {
				asked <- r.Header.Get("Range")
			}
			service.ServeHTTP(w, r)
		})
	})
	f := newFixture(t, settings{bucket: &cfg})
	path := "/v2/app/blobs/" + f.pushBlob("app", strings.Repeat(tenBytes, 100)).String()
	ranges := func(n int) map[string]string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%d-%d", 5*i+1, 5*i+2))
		}
		return map[string]string{"Range": "bytes=" + strings.Join(list, ",")}
	}
	f.do(call{method: "GET", path: path, header: ranges(64)}).wants(t, want{status: 206})
	for i := range 64 {
		if got, want := <-asked, fmt.Sprintf("bytes=%d-%d", 5*i+1, 5*i+2); got != want {
			t.Fatalf("the service was asked for %s, want %s", got, want)
		}
	}
	f.do(call{method: "GET", path: path, header: ranges(65)}).wants(t, want{status: 200, body: strings.Repeat(tenBytes, 100)})
	if len(asked) > 0 {
		t.Errorf("the service was asked for %s besides, want nothing", <-asked)
	}
}

func TestARangeMayRestOnACondition(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("app", tenBytes)
	for condition, status := range map[string]int{
		`"` + d.String() + `"`: 206,
		`"` + unknown + `"`:    200,
		"Tue, 01 Jan 2030":     200,
	} {
		f.do(call{method: "GET", path: "/v2/app/blobs/" + d.String(), header: map[string]string{"Range": "bytes=2-4", "If-Range": condition}}).
			wants(t, want{status: status})
	}
}

func TestAHeadHasNoRanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("app", tenBytes)
	f.do(call{method: "HEAD", path: "/v2/app/blobs/" + d.String(), header: map[string]string{"Range": "bytes=2-4"}}).
		wants(t, want{status: 200, header: map[string]string{"Content-Length": "10"}})
}

func TestBlobsThatAreNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushBlob("app", tenBytes)
	for _, tt := range []struct {
		name, path string
		status     int
		code       oci.ErrorCode
	}{
		{"an unknown digest", "/v2/app/blobs/" + unknown, 404, oci.CodeBlobUnknown},
		{"an unknown namespace", "/v2/none/blobs/" + digestOf(tenBytes).String(), 404, oci.CodeBlobUnknown},
		{"no digest", "/v2/app/blobs/v1", 400, oci.CodeDigestInvalid},
		{"a short digest", "/v2/app/blobs/sha256:12", 400, oci.CodeDigestInvalid},
		{"capital letters", "/v2/app/blobs/" + strings.ToUpper(unknown[7:]), 400, oci.CodeDigestInvalid},
		{"an unknown algorithm", "/v2/app/blobs/sha1:" + strings.Repeat("0", 40), 400, oci.CodeDigestInvalid},
		{"no name", "/v2/App/blobs/" + unknown, 400, oci.CodeNameInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "HEAD", "DELETE"} {
				a := f.do(call{method: method, path: tt.path})
				a.wants(t, want{status: tt.status, code: tt.code, header: map[string]string{"Etag": none, "Cache-Control": "no-store"}})
			}
		})
	}
}

func TestDeleteOfABlobIsItsNamespacesAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("app", tenBytes)
	f.pushBlob("other", tenBytes)
	f.delete("/v2/app/blobs/"+d.String()).wants(t, want{status: http.StatusAccepted, header: map[string]string{"Content-Length": "0"}})
	f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 404, code: oci.CodeBlobUnknown})
	f.delete("/v2/app/blobs/"+d.String()).wants(t, want{status: 404, code: oci.CodeBlobUnknown})
	f.get("/v2/other/blobs/"+d.String()).wants(t, want{status: 200, body: tenBytes})
	f.pushBlob("app", tenBytes)
	f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 200, body: tenBytes})
	f.holds(t)
}

// TestAPullThatBreaksOffIsCounted has a client that leaves in the middle of a blob. That is no failure of the
// registry.
func TestAPullThatBreaksOffIsCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{accessLog: 1})
	d := f.pushBlob("app", strings.Repeat("0", 32<<20)) // more than the buffers of a connection hold
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		f.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/app/blobs/"+d.String(), nil)
	must(t, err)
	resp, err := server.Client().Do(req)
	must(t, err)
	_, err = io.ReadFull(resp.Body, make([]byte, 1<<20))
	must(t, errors.Join(err, resp.Body.Close()))
	<-done

	line := regexp.MustCompile(`action=get-blob .* status=499 .* bytes_out=[1-9]`)
	if got := f.logs.String(); !line.MatchString(got) || strings.Contains(got, "ERROR") {
		t.Errorf("logged %s", got)
	}
	const counted = `sreg_http_requests_total{action="get-blob",method="GET",status="499"} 1`
	if text := f.get("/metrics").body; !strings.Contains(text, counted) {
		t.Errorf("metrics lack %s", counted)
	}
}

func neverFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func TestAPullIsSentToTheBucket(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		cfg := server.Config(t)
		off := false
		f := newFixture(t, settings{bucket: &cfg, repositories: []registry.RepositoryConfig{{Name: "inside", Redirect: &off}}})
		followed := f.client.CheckRedirect
		d := f.pushBlob("app", tenBytes)
		f.pushBlob("inside", tenBytes)
		path := "/v2/app/blobs/" + d.String()

		f.get(path).wants(t, want{status: 200, body: tenBytes, header: map[string]string{"Content-Type": "application/octet-stream"}})
		f.client.CheckRedirect = neverFollow
		sent := f.get(path)
		sent.wants(t, want{status: 307, header: map[string]string{
			"Docker-Content-Digest": d.String(), "Cache-Control": "no-store", "Content-Length": "0",
		}})
		if location := sent.header.Get("Location"); !strings.HasPrefix(location, server.Endpoint+"/") || lifetime(t, location) != 30*time.Minute {
			t.Errorf("sent to %q, want a URL of the bucket for half an hour", location)
		}
		f.client.CheckRedirect = followed

		// Who cannot follow, or asks for what a URL does not give, gets the bytes here.
		f.client.CheckRedirect = neverFollow
		f.head(path).wants(t, want{status: 200, header: map[string]string{"Content-Length": "10"}})
		f.do(call{method: "GET", path: path, header: map[string]string{"Range": "bytes=2-4"}}).
			wants(t, want{status: 206, body: "234", header: map[string]string{"Content-Range": "bytes 2-4/10"}})
		f.severalRanges(t, d)
		f.do(call{method: "GET", path: path, header: map[string]string{"If-None-Match": `"` + d.String() + `"`}}).wants(t, want{status: 304})
		f.get("/v2/inside/blobs/"+d.String()).wants(t, want{status: 200, body: tenBytes})
		f.get("/v2/other/blobs/"+d.String()).wants(t, want{status: 404})
		f.holds(t)
	})
}

func lifetime(t *testing.T, location string) time.Duration {
	t.Helper()
	u, err := url.Parse(location)
	must(t, err)
	seconds, err := strconv.Atoi(u.Query().Get("X-Amz-Expires"))
	must(t, err)
	return time.Duration(seconds) * time.Second
}

func TestARedirectEndsWithThePermission(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for _, tt := range []struct {
		name  string
		until time.Duration // zero: it does not end
		least time.Duration
		most  time.Duration
	}{
		{"no end", 0, 30 * time.Minute, 30 * time.Minute},
		{"a later end", time.Hour, 30 * time.Minute, 30 * time.Minute},
		{"a sooner end", 10 * time.Minute, 9 * time.Minute, 10 * time.Minute},
		{"no time left to follow", time.Second, 5 * time.Second, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := server.Config(t)
			var signIn access.SignIn
			if tt.until > 0 {
				signIn.Until = time.Now().Add(tt.until)
			}
			f := newFixture(t, settings{bucket: &cfg, signIn: signIn})
			f.client.CheckRedirect = neverFollow
			d := f.pushBlob("app", tenBytes)
			got := lifetime(t, f.get("/v2/app/blobs/"+d.String()).header.Get("Location"))
			if got < tt.least || got > tt.most {
				t.Errorf("the URL lives for %s, want %s to %s", got, tt.least, tt.most)
			}
		})
	}
}

// TestWrongBytesOfAServiceNeverComeWhole damages what lies in the bucket: a client that streams hears of it.
func TestWrongBytesOfAServiceNeverComeWhole(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	cfg.Redirect = false
	f := newFixture(t, settings{bucket: &cfg})
	content := strings.Repeat("0123456789abcdef", 16<<10)
	d := f.pushBlob("app", content)
	damageBytes(t, server.Folder, []byte(content))

	resp, err := f.client.Get(f.url + "/v2/app/blobs/" + d.String())
	if err != nil {
		return // cut before the answer began
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) >= len(content) {
		t.Errorf("read %d of %d bytes, %v, want a body that is cut", len(got), len(content), err)
	}
	if log := f.logs.String(); !strings.Contains(log, "_bytes/") {
		t.Errorf("the log does not say where it lies:\n%s", log)
	}
}

// damageBytes flips a bit of the one file that holds some bytes, without a change of its length.
func damageBytes(t *testing.T, folder string, content []byte) {
	t.Helper()
	damaged := 0
	must(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(file, content) {
			return err
		}
		file[len(file)-1] ^= 1
		damaged++
		return os.WriteFile(path, file, 0o600)
	}))
	if damaged != 1 {
		t.Fatalf("%d files hold the bytes, want one", damaged)
	}
}

func BenchmarkGetBlob16K(b *testing.B) {
	f := newHandlerWithImage(b)
	content := strings.Repeat("x", 16<<10)
	f.pushBlob("app", content)
	b.SetBytes(int64(len(content)))
	bench(b, f, "GET", "/v2/app/blobs/"+digestOf(content).String(), 200)
}
