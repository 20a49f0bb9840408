package httpapi_test

import (
	"testing"
)

func TestTheVersionCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, path := range []string{"/v2/", "/v2"} {
		f.get(path).wants(t, want{status: 200, body: "{}", header: map[string]string{
			"Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": "application/json",
		}})
	}
}
