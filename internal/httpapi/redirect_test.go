package httpapi_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

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
