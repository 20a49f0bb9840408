package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// start begins a session and returns its path.
func (f *fixture) start(ns, query string) string {
	f.t.Helper()
	a := f.do(call{method: "POST", path: "/v2/" + ns + "/blobs/uploads/" + query})
	a.wants(f.t, want{status: 202})
	return a.header.Get("Location")
}

// chunk sends bytes of a session that begin at an offset.
func (f *fixture) chunk(path, content string, offset int) answer {
	f.t.Helper()
	return f.do(call{method: "PATCH", path: path, body: strings.NewReader(content), header: map[string]string{
		"Content-Range": fmt.Sprintf("%d-%d", offset, offset+len(content)-1), "Content-Type": "application/octet-stream",
	}})
}

func (f *fixture) finish(path, content string, d oci.Digest) answer {
	f.t.Helper()
	return f.do(call{method: "PUT", path: path + "?digest=" + d.String(), body: strings.NewReader(content)})
}

func (f *fixture) wantBlob(t *testing.T, ns, content string) {
	t.Helper()
	f.get("/v2/"+ns+"/blobs/"+digestOf(content).String()).wants(t, want{status: 200, body: content})
}

func TestASessionSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	a := f.do(call{method: "POST", path: "/v2/team/app/blobs/uploads/"})
	id := a.header.Get("Docker-Upload-Uuid")
	path := "/v2/team/app/blobs/uploads/" + id
	progress := func(size string) map[string]string {
		return map[string]string{
			"Location": path, "Range": size, "Oci-Chunk-Min-Length": "1",
			"Docker-Upload-Uuid": id, "Docker-Distribution-Api-Version": "registry/2.0",
		}
	}
	a.wants(t, want{status: 202, header: progress("0-0")})
	f.get(path).wants(t, want{status: 204, header: progress("0-0")})
	f.chunk(path, "01234", 0).wants(t, want{status: 202, header: progress("0-4")})
	f.get(path).wants(t, want{status: 204, header: progress("0-4")})
	f.chunk(path, "56789", 5).wants(t, want{status: 202, header: progress("0-9")})
	f.head(path).wants(t, want{status: 204, header: progress("0-9")})
	f.finish(path, "", digestOf(tenBytes)).wants(t, want{status: 201, header: map[string]string{
		"Location": "/v2/team/app/blobs/" + digestOf(tenBytes).String(), "Docker-Content-Digest": digestOf(tenBytes).String(), "Content-Length": "0",
	}})
	f.get(path).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
	f.wantBlob(t, "team/app", tenBytes)
	f.holds(t)
}

func TestEveryWayToPushABlob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := digestOf(tenBytes)
	for _, tt := range []struct {
		name string
		push func(t *testing.T, ns string) answer
	}{
		{"POST, then PUT with all of it", func(_ *testing.T, ns string) answer {
			return f.finish(f.start(ns, ""), tenBytes, d)
		}},
		{"POST, then PUT with all of it and no length", func(_ *testing.T, ns string) answer {
			return f.do(call{method: "PUT", path: f.start(ns, "") + "?digest=" + d.String(), body: stream(tenBytes)})
		}},
		{"POST without a slash at the end", func(_ *testing.T, ns string) answer {
			a := f.do(call{method: "POST", path: "/v2/" + ns + "/blobs/uploads"})
			return f.finish(a.header.Get("Location"), tenBytes, d)
		}},
		{"POST with all of it", func(_ *testing.T, ns string) answer {
			return f.do(call{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?digest=" + d.String(), body: strings.NewReader(tenBytes)})
		}},
		{"POST with all of it and no length", func(_ *testing.T, ns string) answer {
			return f.do(call{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?digest=" + d.String(), body: stream(tenBytes)})
		}},
		{"chunks, and PUT without a body", func(t *testing.T, ns string) answer {
			path := f.start(ns, "")
			f.chunk(path, "012", 0).wants(t, want{status: 202})
			f.chunk(path, "3456789", 3).wants(t, want{status: 202})
			return f.finish(path, "", d)
		}},
		{"chunks, the last one with the PUT", func(t *testing.T, ns string) answer {
			path := f.start(ns, "")
			f.chunk(path, "012", 0).wants(t, want{status: 202})
			return f.do(call{
				method: "PUT", path: path + "?digest=" + d.String(), body: strings.NewReader("3456789"),
				header: map[string]string{"Content-Range": "3-9"},
			})
		}},
		{"chunks with Content-Range as RFC 9110 writes it", func(t *testing.T, ns string) answer {
			path := f.start(ns, "")
			f.do(call{method: "PATCH", path: path, body: strings.NewReader(tenBytes), header: map[string]string{"Content-Range": "bytes 0-9/10"}}).
				wants(t, want{status: 202})
			return f.finish(path, "", d)
		}},
		{"a stream without a length", func(t *testing.T, ns string) answer {
			path := f.start(ns, "")
			f.do(call{method: "PATCH", path: path, body: stream(tenBytes)}).wants(t, want{status: 202, header: map[string]string{"Range": "0-9"}})
			return f.finish(path, "", d)
		}},
		{"streams that go on where the last one ended", func(t *testing.T, ns string) answer {
			path := f.start(ns, "")
			f.do(call{method: "PATCH", path: path, body: stream("01234")}).wants(t, want{status: 202})
			f.do(call{method: "PATCH", path: path, body: stream("56789")}).wants(t, want{status: 202})
			return f.finish(path, "", d)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns := "way/" + digestOf(tt.name).Hex()[:8]
			tt.push(t, ns).wants(t, want{status: 201, header: map[string]string{"Docker-Content-Digest": d.String(), "Location": "/v2/" + ns + "/blobs/" + d.String()}})
			f.wantBlob(t, ns, tenBytes)
		})
	}
}

func TestABlobOfNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.finish(f.start("app", ""), "", digestOf("")).wants(t, want{status: 201})
	f.pushBlob("other", "")
	f.wantBlob(t, "app", "")
	f.wantBlob(t, "other", "")
}

func TestUploadsWithSha512(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := digest512Of(tenBytes)
	for name, query := range map[string]string{
		"announced": "?digest-algorithm=sha512", "not announced": "", "announced otherwise": "?digest-algorithm=sha256",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := f.start("app", query)
			f.chunk(path, "01234", 0).wants(t, want{status: 202})
			f.finish(path, "56789", d).wants(t, want{status: 201, header: map[string]string{"Docker-Content-Digest": d.String()}})
			f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 200, body: tenBytes})
		})
	}
	f.do(call{method: "POST", path: "/v2/app/blobs/uploads/?digest=" + d.String(), body: strings.NewReader(tenBytes)}).wants(t, want{status: 201})
	f.do(call{method: "POST", path: "/v2/app/blobs/uploads/?digest-algorithm=md5"}).wants(t, want{status: 400, code: oci.CodeDigestInvalid})
}

func TestChunksThatDoNotFit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, tt := range []struct {
		name, method, rng, body string
		status                  int
		code                    oci.ErrorCode
	}{
		{"behind the end", "PATCH", "6-9", "6789", 416, oci.CodeBlobUploadInvalid},
		{"before the end", "PATCH", "0-4", "01234", 416, oci.CodeBlobUploadInvalid},
		{"the last one, behind the end", "PUT", "6-9", "6789", 416, oci.CodeBlobUploadInvalid},
		{"backwards", "PATCH", "9-5", "56789", 400, oci.CodeBlobUploadInvalid},
		{"no range", "PATCH", "five", "56789", 400, oci.CodeBlobUploadInvalid},
		{"half a range", "PATCH", "5-", "56789", 400, oci.CodeBlobUploadInvalid},
		{"a sign", "PATCH", "-5-9", "56789", 400, oci.CodeBlobUploadInvalid},
		{"a shorter body", "PATCH", "5-9", "567", 400, oci.CodeSizeInvalid},
		{"a longer body", "PATCH", "5-6", "56789", 400, oci.CodeSizeInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := f.start("app", "")
			f.chunk(path, "01234", 0).wants(t, want{status: 202})
			c := call{method: tt.method, path: path, body: strings.NewReader(tt.body), header: map[string]string{"Content-Range": tt.rng}}
			if tt.method == "PUT" {
				c.path += "?digest=" + digestOf(tenBytes).String()
			}
			w := want{status: tt.status, code: tt.code}
			if tt.status == 416 {
				w.header = map[string]string{"Range": "0-4"}
			}
			f.do(c).wants(t, w)
			f.get(path).wants(t, want{status: 204, header: map[string]string{"Range": "0-4"}})
			f.finish(path, "56789", digestOf(tenBytes)).wants(t, want{status: 201})
		})
	}
}

func TestUploadsThatEndBadly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	t.Run("other bytes than the digest says end the session", func(t *testing.T) {
		t.Parallel()
		path := f.start("app", "")
		f.finish(path, "other", digestOf(tenBytes)).wants(t, want{status: 400, code: oci.CodeDigestInvalid})
		f.get(path).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
		f.get("/v2/app/blobs/"+digestOf(tenBytes).String()).wants(t, want{status: 404})
		f.get("/v2/app/blobs/"+digestOf("other").String()).wants(t, want{status: 404})
	})
	t.Run("so they do in one request", func(t *testing.T) {
		t.Parallel()
		f.do(call{method: "POST", path: "/v2/whole/blobs/uploads/?digest=" + digestOf(tenBytes).String(), body: strings.NewReader("other")}).
			wants(t, want{status: 400, code: oci.CodeDigestInvalid})
		f.get("/v2/whole/blobs/"+digestOf(tenBytes).String()).wants(t, want{status: 404})
	})
	t.Run("no digest, or none that is one, keeps the session", func(t *testing.T) {
		t.Parallel()
		path := f.start("app", "")
		for _, query := range []string{"", "?digest=", "?digest=sha256:1", "?digest=%zz", "?digest=md5:00"} {
			f.do(call{method: "PUT", path: path + query}).wants(t, want{status: 400, code: oci.CodeDigestInvalid})
		}
		f.finish(path, "kept", digestOf("kept")).wants(t, want{status: 201})
	})
	t.Run("cancelled is gone", func(t *testing.T) {
		t.Parallel()
		path := f.start("app", "")
		f.chunk(path, "01234", 0).wants(t, want{status: 202})
		f.delete(path).wants(t, want{status: 204})
		for _, method := range []string{"GET", "HEAD", "PATCH", "DELETE"} {
			f.do(call{method: method, path: path}).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
		}
		f.finish(path, "", digestOf("01234")).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
	})
	t.Run("ids that never were", func(t *testing.T) {
		t.Parallel()
		for _, id := range []string{"none", "..", "%2e%2e", "a.b", strings.Repeat("a", 500), "%00", "_tmp"} {
			f.get("/v2/app/blobs/uploads/"+id).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
		}
	})
}

// TestAnUploadGoesOnAfterADisconnect breaks the connection in the middle of a body.
func TestAnUploadGoesOnAfterADisconnect(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	path := f.start("app", "")
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	must(t, err)
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: registry\r\nContent-Length: 10\r\n\r\n01234", path)
	must(t, err)
	f.waitForRange(t, path, "0-4")
	must(t, conn.Close())
	f.chunk(path, "56789", 5).wants(t, want{status: 202, header: map[string]string{"Range": "0-9"}})
	f.finish(path, "", digestOf(tenBytes)).wants(t, want{status: 201})
	f.wantBlob(t, "app", tenBytes)
}

// waitForRange asks until the session holds what it should.
func (f *fixture) waitForRange(t *testing.T, path, rng string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for f.get(path).header.Get("Range") != rng {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("session %s holds %s, want %s", path, f.get(path).header.Get("Range"), rng)
		}
	}
}

func TestAnUploadGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, settings{root: t.TempDir()})
			path := f.start("app", "?digest-algorithm="+string(algorithm))
			whole := ""
			for i := range 4 {
				piece := strings.Repeat(strconv.Itoa(i), 1000+i)
				f.chunk(path, piece, len(whole)).wants(t, want{status: 202})
				whole += piece
				f = f.again(settings{})
				f.get(path).wants(t, want{status: 204, header: map[string]string{"Range": fmt.Sprintf("0-%d", len(whole)-1)}})
			}
			d := oci.DigestOf(algorithm, []byte(whole))
			f.finish(path, "", d).wants(t, want{status: 201})
			f.get("/v2/app/blobs/"+d.String()).wants(t, want{status: 200, body: whole})
		})
	}
}

func TestASessionHasItsTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.UploadTTL = time.Hour }})
	path := f.start("app", "")
	f.chunk(path, "01234", 0).wants(t, want{status: 202})
	f.clock.advance(59 * time.Minute)
	f.chunk(path, "56789", 5).wants(t, want{status: 202})
	young := f.start("app", "")
	f.clock.advance(2 * time.Minute)
	f.get(path).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
	f.chunk(path, "x", 10).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
	f.finish(path, "", digestOf(tenBytes)).wants(t, want{status: 404, code: oci.CodeBlobUploadUnknown})
	ended, err := f.registry.Maintenance().ExpireUploads(t.Context())
	if ended != 1 || err != nil {
		t.Errorf("%d sessions ended, %v, want 1", ended, err)
	}
	var left int
	for _, err := range f.store.ListUploads(t.Context()) {
		must(t, err)
		left++
	}
	if left != 1 {
		t.Errorf("%d sessions are left, want the young one", left)
	}
	f.finish(young, tenBytes, digestOf(tenBytes)).wants(t, want{status: 201})
}

func TestASessionWithoutALabelIsEndedWhenItIsOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.UploadTTL = time.Hour }})
	must(t, f.store.CreateUpload(t.Context(), "about-to-be-labelled", nil))
	for _, want := range []int{0, 1} {
		if ended, err := f.registry.Maintenance().ExpireUploads(t.Context()); ended != want || err != nil {
			t.Errorf("%d sessions ended, %v, want %d", ended, err, want)
		}
		f.clock.advance(2 * time.Hour)
	}
}

func TestAMount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushBlob("from", tenBytes)
	mount := func(ns, query string) answer {
		return f.do(call{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?mount=" + d.String() + query})
	}
	mount("to", "&from=from").wants(t, want{status: 201, header: map[string]string{
		"Location": "/v2/to/blobs/" + d.String(), "Docker-Content-Digest": d.String(),
	}})
	f.wantBlob(t, "to", tenBytes)
	mount("to", "").wants(t, want{status: 201})
	mount("from", "&from=from").wants(t, want{status: 201})

	for name, a := range map[string]answer{
		"from nowhere":                      mount("stranger", ""),
		"from where it is not":              mount("stranger", "&from=none"),
		"from itself, which has it not":     mount("stranger", "&from=stranger"),
		"from a name that is none here":     mount("stranger", "&from=docker.io/Library/alpine"),
		"of a digest that is none":          f.do(call{method: "POST", path: "/v2/stranger/blobs/uploads/?from=from&mount=sha256:1"}),
		"of a digest of another algorithm":  f.do(call{method: "POST", path: "/v2/stranger/blobs/uploads/?from=from&mount=blake3:" + strings.Repeat("0", 64)}),
		"of nothing":                        f.do(call{method: "POST", path: "/v2/stranger/blobs/uploads/?from=from&mount="}),
		"of a digest that nobody ever sent": f.do(call{method: "POST", path: "/v2/stranger/blobs/uploads/?from=from&mount=" + unknown}),
	} {
		t.Run(name, func(t *testing.T) {
			a.wants(t, want{status: 202, header: map[string]string{"Range": "0-0", "Docker-Content-Digest": none}})
			f.get("/v2/stranger/blobs/"+d.String()).wants(t, want{status: 404, code: oci.CodeBlobUnknown})
		})
	}
	a := mount("stranger", "&from=none")
	f.finish(a.header.Get("Location"), tenBytes, d).wants(t, want{status: 201})

	bad := "/v2/to/blobs/uploads/?from=from&mount=sha256:1&digest="
	f.do(call{method: "POST", path: bad + d.String(), body: strings.NewReader(tenBytes)}).wants(t, want{status: 201})
	f.do(call{method: "POST", path: bad + "sha256:1", body: strings.NewReader(tenBytes)}).wants(t, want{status: 400, code: oci.CodeDigestInvalid})
	f.holds(t)
}

func TestABlobMayBeTooLarge(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.MaxBlobSize = 10 }})
	f.pushBlob("app", tenBytes)
	eleven := tenBytes + "x"
	tooLarge := want{status: 413, code: oci.CodeSizeInvalid}
	f.do(call{method: "POST", path: "/v2/app/blobs/uploads/?digest=" + digestOf(eleven).String(), body: strings.NewReader(eleven)}).wants(t, tooLarge)
	f.do(call{method: "POST", path: "/v2/app/blobs/uploads/?digest=" + digestOf(eleven).String(), body: stream(eleven)}).wants(t, tooLarge)
	path := f.start("app", "")
	f.chunk(path, tenBytes, 0).wants(t, want{status: 202})
	f.chunk(path, "x", 10).wants(t, tooLarge)
	f.finish(path, "x", digestOf(eleven)).wants(t, tooLarge)
	f.do(call{method: "PATCH", path: f.start("app", ""), body: stream(eleven)}).wants(t, tooLarge)
	f.get("/v2/app/blobs/"+digestOf(eleven).String()).wants(t, want{status: 404})
}

func TestAnUploadNeedsRoom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{root: t.TempDir()})
	d := f.pushImage("app", "a", "v1").Digest
	full := f.again(settings{minFree: 1 << 60})
	noRoom := want{status: 507, code: oci.CodeUnavailable}
	full.do(call{method: "POST", path: "/v2/app/blobs/uploads/"}).wants(t, noRoom)
	full.putManifest("app", "v2", ocitest.Image("a").Content).wants(t, noRoom)
	full.get("/readyz").wants(t, want{status: 503, code: oci.CodeUnavailable})
	full.get("/v2/app/manifests/v2").wants(t, want{status: 404})
	full.get("/v2/app/manifests/"+d.String()).wants(t, want{status: 200})
	full.delete("/v2/app/manifests/v1").wants(t, want{status: 202})
}

func TestABodyThatEndsBeforeItsLengthIsTheClientsFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	path := f.start("app", "")
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: registry\r\nContent-Length: 10\r\n\r\n01234", path)
	must(t, err)
	must(t, conn.(*net.TCPConn).CloseWrite())
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if line != "" && !strings.HasPrefix(line, "HTTP/1.1 400 ") {
		t.Errorf("answer %q, want a 400 or none", line)
	}
	f.waitForRange(t, path, "0-4")
	f.finish(path, "56789", digestOf(tenBytes)).wants(t, want{status: 201})
}
