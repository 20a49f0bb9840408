package s3_test

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestPresign opens URLs by what any client has.
func TestPresign(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	cfg.Prefix = "pre fix+ä"
	data := noise(1000)
	key := dataKeyOf(t, create(t, cfg), "u", data)
	// The address of the service as clients know it; nobody answers at the other one.
	cfg.PublicEndpoint, cfg.Endpoint = cfg.Endpoint, "http://127.0.0.1:1"
	s := open(t, cfg)
	presign := func(t *testing.T, expires time.Duration) string {
		t.Helper()
		signed, err := s.Presign(t.Context(), key, storage.PresignOptions{Expires: expires, MediaType: "application/x-layer"})
		must(t, err)
		if !strings.HasPrefix(signed, cfg.PublicEndpoint+"/") {
			t.Errorf("the URL is %s, want it at %s", signed, cfg.PublicEndpoint)
		}
		return signed
	}
	get := func(t *testing.T, url, span string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		must(t, err)
		if span != "" {
			req.Header.Set("Range", span)
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp, b
	}
	t.Run("gives the bytes with the media type", func(t *testing.T) {
		resp, got := get(t, presign(t, time.Minute), "")
		if resp.StatusCode != http.StatusOK || !bytes.Equal(got, data) || resp.Header.Get("Content-Type") != "application/x-layer" {
			t.Errorf("GET = %s, %d bytes of %s", resp.Status, len(got), resp.Header.Get("Content-Type"))
		}
	})
	t.Run("gives ranges", func(t *testing.T) {
		resp, got := get(t, presign(t, time.Minute), "bytes=10-19")
		if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, data[10:20]) {
			t.Errorf("GET = %s, %d bytes, want ten", resp.Status, len(got))
		}
	})
	t.Run("ends", func(t *testing.T) {
		url := presign(t, time.Second)
		resp, _ := get(t, url, "")
		for deadline := time.Now().Add(20 * time.Second); resp.StatusCode == http.StatusOK && time.Now().Before(deadline); {
			resp, _ = get(t, url, "")
		}
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("GET after the end = %s, want 403", resp.Status)
		}
	})
}

// aDataKey is one that nobody looks for: to sign a URL for it asks nobody.
const aDataKey = "1:00112233445566778899aabbccddeeff:_bytes/u~1"

// signer is a Store without a service.
func signer(t testing.TB, ttl time.Duration) *s3.Store {
	t.Helper()
	cfg := s3.DefaultConfig()
	cfg.Endpoint, cfg.Bucket, cfg.PathStyle, cfg.RedirectTTL = "http://127.0.0.1:1", "registry", true, ttl
	cfg.AccessKeyID, cfg.SecretAccessKey = "id", secret.New("secret")
	return open(t, cfg)
}

// TestAURLIsGivenAgainForATenthOfItsTime: who gets it has nine tenths of the time left, and what is signed for
// another time is signed for exactly that.
func TestAURLIsGivenAgainForATenthOfItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ttl = 100 * time.Second
		s := signer(t, ttl)
		presign := func(key storage.DataKey, expires time.Duration, mediaType string) string {
			t.Helper()
			url, err := s.Presign(t.Context(), key, storage.PresignOptions{Expires: expires, MediaType: mediaType})
			must(t, err)
			return url
		}
		first, signed := presign(aDataKey, ttl, "a/b"), time.Now()
		for _, tt := range []struct {
			name    string
			wait    time.Duration
			key     storage.DataKey
			expires time.Duration
			media   string
			again   bool
		}{
			{"at once", 0, aDataKey, ttl, "a/b", true},
			{"for the time of the config", 0, aDataKey, 0, "a/b", true},
			{"when a tenth is over", ttl / 10, aDataKey, ttl, "a/b", true},
			{"for less time", ttl / 10, aDataKey, ttl - time.Second, "a/b", false},
			{"for other bytes", ttl / 10, aDataKey + "2", ttl, "a/b", false},
			{"as another type", ttl / 10, aDataKey, ttl, "a/c", false},
			{"a second later", ttl/10 + time.Second, aDataKey, ttl, "a/b", false},
		} {
			time.Sleep(time.Until(signed.Add(tt.wait)))
			got := presign(tt.key, tt.expires, tt.media)
			if (got == first) != tt.again {
				t.Errorf("%s: the URL is the first one: %t, want %t", tt.name, got == first, tt.again)
			}
			query := parseQuery(t, got)
			at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
			must(t, err)
			seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
			must(t, err)
			want := cmp.Or(tt.expires, ttl)
			left := time.Until(at.Add(time.Duration(seconds) * time.Second))
			if left > want || left < want-want/10 {
				t.Errorf("%s: it opens for %s, want %s or a tenth less", tt.name, left, want)
			}
		}
	})
}

func parseQuery(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u.Query()
}

func BenchmarkPresign(b *testing.B) {
	opts := storage.PresignOptions{Expires: time.Minute, MediaType: "application/octet-stream"}
	for name, ttl := range map[string]time.Duration{"signed": time.Hour, "given again": time.Minute} {
		b.Run(name, func(b *testing.B) {
			s := signer(b, ttl)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Presign(b.Context(), aDataKey, opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
