package snapshot_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheKeyOfTokensThatAReadOnlyRegistryMadeStays.
func TestTheKeyOfTokensThatAReadOnlyRegistryMadeStays(t *testing.T) {
	t.Parallel()
	readOnly := setup{config: "registry: {read_only: true}\n" + closedPolicy, users: user(t, "a")}
	w := newWorld(t, readOnly)
	token := w.token(signIn("a"))
	w.replace(readOnly)
	w.get("/v2/", token).is(t, http.StatusOK)
	w.replace(setup{config: closedPolicy, users: readOnly.users})
	w.get("/v2/", token).is(t, http.StatusOK)
	if n := strings.Count(w.logs.String(), "the key of tokens is not kept"); n != 1 {
		t.Errorf("it is said %d times that the key is not kept, want once", n)
	}
}

// TestAKeyOfTokensThatIsRemovedIsGone: whoever removes it from the store means it, also where a read-only registry made it.
func TestAKeyOfTokensThatIsRemovedIsGone(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"made in the store": "", "made while it was read-only": "registry: {read_only: true}\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := setup{config: closedPolicy, users: user(t, "a")}
			w := newWorld(t, setup{config: first + closedPolicy, users: set.users})
			token := w.token(signIn("a"))
			w.replace(set)
			w.get("/v2/", token).is(t, http.StatusOK)
			must(t, os.Remove(filepath.Join(w.root, "_keys", "token")))
			w.replace(set)
			w.get("/v2/", token).is(t, http.StatusUnauthorized)
			w.get("/v2/", w.token(signIn("a"))).is(t, http.StatusOK)
		})
	}
}
