package httpapi

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

func readAPIPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestEveryErrorIsDocumented compares docs/api.md with the table of errors, and with the few that are
// made elsewhere.
func TestEveryErrorIsDocumented(t *testing.T) {
	t.Parallel()
	type answer struct {
		status int
		code   oci.ErrorCode
	}
	possible := map[answer]bool{
		{http.StatusConflict, oci.CodeDenied}:                                true, // ImmutableTagError
		{http.StatusUnauthorized, oci.CodeUnauthorized}:                      true, // deniedError, errChallenge
		{http.StatusForbidden, oci.CodeDenied}:                               true, // deniedError
		{http.StatusNotFound, oci.CodeManifestBlobUnknown}:                   true, // MissingError
		{http.StatusRequestedRangeNotSatisfiable, oci.CodeBlobUploadInvalid}: true, // RangeError
		{http.StatusMethodNotAllowed, oci.CodeUnsupported}:                   true, // router.MethodError
		{http.StatusInternalServerError, oci.CodeUnknown}:                    true, // all that the table does not know
		{http.StatusServiceUnavailable, oci.CodeUnavailable}:                 true, // the server's limits
		{http.StatusTooManyRequests, oci.CodeTooManyRequests}:                true, // those of one client, ThrottledError
	}
	for _, kind := range kinds {
		possible[answer{kind.status, kind.code}] = true
	}
	documented := map[answer]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `([A-Z_]+)` \\|").FindAllStringSubmatch(readAPIPage(t), -1) {
		var a answer
		if _, err := fmt.Sscan(row[1], &a.status); err != nil {
			t.Fatal(err)
		}
		a.code = oci.ErrorCode(row[2])
		documented[a] = true
		if !possible[a] {
			t.Errorf("docs/api.md has %d %s, which no error gives", a.status, a.code)
		}
	}
	for a := range possible {
		if !documented[a] {
			t.Errorf("%d %s is not in docs/api.md", a.status, a.code)
		}
	}
}

// TestEveryRouteIsDocumented compares docs/api.md with the route table. A mount is a start-upload
// until its query has been read.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	type line struct {
		method string
		action access.Action
	}
	there := map[line]bool{{http.MethodPost, access.MountBlob}: true}
	for _, route := range routes() {
		there[line{route.Method, route.Action}] = true
	}
	documented := map[line]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z]+)` \\| [^|]+ \\| `([a-z-]+)` \\|").FindAllStringSubmatch(readAPIPage(t), -1) {
		l := line{row[1], access.Action(row[2])}
		documented[l] = true
		if !there[l] {
			t.Errorf("docs/api.md has %s %s, which is no route", l.method, l.action)
		}
	}
	for l := range there {
		if !documented[l] {
			t.Errorf("%s %s is not in docs/api.md", l.method, l.action)
		}
	}
}
