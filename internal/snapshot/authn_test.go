package snapshot_test

import (
	"net/http"
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
