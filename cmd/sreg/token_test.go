package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokensOutliveARotationAndEndByARevocation: a server that starts again accepts what the former key has signed, and
// nothing of what was revoked.
func TestTokensOutliveARotationAndEndByARevocation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, data := filepath.Join(dir, "sreg.yaml"), filepath.Join(dir, "data")
	writeUsers(t, filepath.Join(dir, "users"))
	writeFile(t, config, "auth: {users_file: "+filepath.Join(dir, "users")+"}\npolicy: {rules: [\"identity.username != null\"]}\n")
	s := serveIn(t, data, "-c", config, "--address", "127.0.0.1:0")
	ask := func(form url.Values) (answer struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}, status int,
	) {
		t.Helper()
		response, err := http.PostForm(s.url("/token"), form)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode == http.StatusOK {
			err = json.Unmarshal(text, &answer)
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return answer, response.StatusCode
	}
	first, _ := ask(url.Values{"grant_type": {"password"}, "username": {alice.user}, "password": {alice.password}, "access_type": {"offline"}})
	looks := func(what string, refreshes, accepted int) {
		t.Helper()
		if _, status := ask(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}}); status != refreshes {
			t.Errorf("%s: a refresh token of before: status %d, want %d", what, status, refreshes)
		}
		request, err := http.NewRequest(http.MethodGet, s.url("/v2/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+first.AccessToken)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != accepted {
			t.Errorf("%s: a token of before: status %d, want %d", what, response.StatusCode, accepted)
		}
	}
	looks("at first", http.StatusOK, http.StatusOK)
	restart := func() {
		t.Helper()
		s.stop(t)
		s = serveIn(t, data, "-c", config, "--address", "127.0.0.1:0")
	}
	run(t, binary, "token", "rotate", "-c", config, "--data", data) // beside the server
	restart()
	looks("after a rotation", http.StatusOK, http.StatusOK)
	revoke := command(t, binary, "token", "revoke", "--token-stdin", "-c", config, "--data", data)
	revoke.Stdin = strings.NewReader(first.AccessToken + "\n")
	runCmd(t, revoke)
	restart()
	looks("after a revocation", http.StatusUnauthorized, http.StatusUnauthorized)
	first, _ = ask(url.Values{"grant_type": {"password"}, "username": {alice.user}, "password": {alice.password}, "access_type": {"offline"}})
	run(t, binary, "token", "rotate", "--overlap", "0s", "-c", config, "--data", data)
	restart()
	looks("after a rotation without overlap", http.StatusUnauthorized, http.StatusUnauthorized)
}
