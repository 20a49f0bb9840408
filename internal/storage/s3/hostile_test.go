package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sreg-project/sreg/internal/storage/s3"
)

// TestThreatServiceThatLies: nothing of what a broken or hostile service says is taken for a record.
func TestThreatServiceThatLies(t *testing.T) {
	t.Parallel()
	aRecord := s3.EncodeRecord(t, []byte("x"))
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		w.Header().Set("Etag", `"1"`)
		_, _ = io.WriteString(w, aRecord)
	}))
	t.Cleanup(other.Close)
	whole := func(w http.ResponseWriter) { w.Header().Set("Etag", `"1"`) }
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"a body shorter than its length": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, aRecord)
		},
		"a record cut off": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, aRecord[:len(aRecord)-1])
		},
		"a record with more behind it": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, aRecord+"yyy")
		},
		"a record of other data": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, strings.TrimSuffix(aRecord, "x")+"y")
		},
		"no ETag": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, aRecord) },
		"nothing": func(w http.ResponseWriter, _ *http.Request) { whole(w) },
		"a redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"a lasting redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusMovedPermanently)
		},
		"a body without an end": func(w http.ResponseWriter, r *http.Request) {
			whole(w)
			endless(w, r)
		},
		"an error without an end": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			endless(w, r)
		},
		"a 404 with another code": refusal(404, "NoSuchBucket", "no").ServeHTTP,
		"not modified": func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			w.WriteHeader(http.StatusNotModified)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(answer))
			t.Cleanup(server.Close)
			cfg := at(server.URL)
			cfg.MaxAttempts, cfg.Timeout = 1, 30*time.Second
			if err := s3.LoadRecord(t.Context(), open(t, cfg), "a"); err == nil {
				t.Error("it is taken for a record, or for an absent one")
			}
		})
	}
	t.Cleanup(func() {
		if elsewhere.Load() > 0 {
			t.Error("a redirect was followed")
		}
	})
	t.Run("the true record is taken", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			whole(w)
			_, _ = io.WriteString(w, aRecord)
		}))
		t.Cleanup(server.Close)
		if err := s3.LoadRecord(t.Context(), open(t, at(server.URL)), "a"); err != nil {
			t.Error(err)
		}
	})
}

func endless(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 1<<20)
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// TestThreatWriteWithoutAcknowledgement: what is acknowledged without an ETag, or by an error below a status
// of 200, is not written.
func TestThreatWriteWithoutAcknowledgement(t *testing.T) {
	t.Parallel()
	bucket, key, id := aws.String("images"), aws.String("a"), aws.String("1")
	part := func() io.Reader { return strings.NewReader("x") }
	for name, c := range map[string]struct {
		answer http.Handler
		ask    func(t *testing.T, client *awss3.Client) error
	}{
		"a put without an ETag": {said{200, nil, ""}, func(t *testing.T, client *awss3.Client) error {
			_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: part()})
			return err
		}},
		"a part without an ETag": {said{200, nil, ""}, func(t *testing.T, client *awss3.Client) error {
			_, err := client.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: bucket, Key: key, UploadId: id, PartNumber: aws.Int32(1), Body: part()})
			return err
		}},
		"a completion that is an error": {refusal(200, "InternalError", "we failed"), complete},
		"a completion that is empty":    {said{200, nil, ""}, complete},
		"a completion that is a page":   {said{200, http.Header{"Content-Type": {"text/html"}}, "<html></html>"}, complete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			t.Cleanup(server.Close)
			if err := c.ask(t, s3.Client(open(t, at(server.URL)))); err == nil {
				t.Error("it is taken for written")
			}
		})
	}
}

func complete(t *testing.T, client *awss3.Client) error {
	t.Helper()
	_, err := client.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: aws.String("images"), Key: aws.String("a"), UploadId: aws.String("1"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String("1")}}},
	})
	return err
}
