package s3_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage/s3"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestABodyThatStallsIsAnError and one that its reader lets wait is none.
func TestABodyThatStallsIsAnError(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Content-Length", "8")
		_, _ = io.WriteString(w, "1234")
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "5678")
	}))
	t.Cleanup(server.Close)
	client := s3.Client(open(t, impatient(at(server.URL))))
	read := func(before func()) (string, error) {
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("images"), Key: aws.String("a")}, s3.Streamed)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		before()
		b, err := io.ReadAll(out.Body)
		return string(b), err
	}
	if got, err := read(func() {}); err == nil || !strings.Contains(err.Error(), "no answer for 300ms") {
		t.Errorf("a body that stalls is %q, %v, want an error that says so", got, err)
	}
	close(goOn)
	got, err := read(func() { <-time.After(400 * time.Millisecond) }) // the reader's own pause is what is tried
	if got != "12345678" || err != nil {
		t.Errorf("a slow reader got %q, %v, want all", got, err)
	}
}
