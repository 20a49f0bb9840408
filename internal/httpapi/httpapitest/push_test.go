package httpapitest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

func TestAPullComparesEveryByte(t *testing.T) {
	t.Parallel()
	image := ocitest.Image("one")
	index := ocitest.Index(image)
	var altered oci.Digest // what has one more byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, content := range append(image.Blobs(), image.Content, index.Content) {
			if path.Base(r.URL.Path) == content.Digest.String() {
				io.WriteString(w, content.Text)
			}
		}
		if path.Base(r.URL.Path) == altered.String() {
			io.WriteString(w, ".")
		}
	}))
	defer server.Close()
	client := httpapitest.Client{HTTP: server.Client(), Base: server.URL}
	if err := client.Pull(t.Context(), "app", index.Digest.String(), index); err != nil {
		t.Errorf("nothing is altered: %v", err)
	}
	for _, altered = range []oci.Digest{index.Digest, image.Digest, image.Config.Digest, image.Layers[0].Digest} {
		if err := client.Pull(t.Context(), "app", index.Digest.String(), index); err == nil {
			t.Errorf("%s is altered, and that was not seen", altered)
		}
	}
}
