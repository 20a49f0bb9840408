package snapshot_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/secret"
)

// TestADenialSaysWhatWasAskedFor keeps the bare words of the specification out of denials: docker takes them
// for an error that may pass, and tries the push again for almost a minute.
func TestADenialSaysWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t.TempDir())
	cfg.Auth.Users = []authn.UserConfig{{Name: "alice", PasswordHash: secret.New("$2y$05$/N3n9u5AYFFcOiEOKLtxL.KJ1ClCGN/8ZZk/eKZDbO0OEa5sAKBWm")}}
	cfg.Policy = &policy.GlobalConfig{Config: policy.Config{Default: "deny", OnError: "skip"}}
	handler := start(t, cfg).Handlers["main"]
	tests := []struct {
		name, method, path, user, password string
		want                               string
	}{
		{"nobody pushes", "POST", "/v2/team/app/blobs/uploads/", "", "", "UNAUTHORIZED authentication required: start-upload in team/app"},
		{"nobody reads the metrics", "GET", "/metrics", "", "", "UNAUTHORIZED authentication required: metrics"},
		{"a user pushes", "POST", "/v2/team/app/blobs/uploads/", "alice", "correct horse", "DENIED requested access to the resource is denied: start-upload in team/app"},
		{"a user pulls what is not there", "GET", "/v2/no/app/manifests/v1", "alice", "correct horse", "DENIED requested access to the resource is denied: get-manifest in no/app"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(tt.method, tt.path, nil)
			if tt.user != "" {
				request.SetBasicAuth(tt.user, tt.password)
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			var body oci.ErrorBody
			must(t, json.Unmarshal(answer.Body.Bytes(), &body))
			if got := string(body.Errors[0].Code) + " " + body.Errors[0].Message; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
