package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

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
