package commands

import (
	"errors"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestAReferenceIntoAStore(t *testing.T) {
	t.Parallel()
	digest := oci.DigestOf(oci.SHA256, nil).String()
	for _, text := range []string{
		"app", "team/app", "team/app:v1", "app:Latest", "team/app@" + digest, "team/app:v1@" + digest, digest,
		oci.DigestOf(oci.SHA512, nil).String(),
	} {
		for _, prefix := range []string{"", "store:"} {
			ref, err := parseStoreRef(prefix + text)
			if err != nil || ref.String() != text {
				t.Errorf("%s%s: got %s, %v", prefix, text, ref, err)
			}
		}
	}
	for text, want := range map[string]string{
		"":                              "",
		"App":                           "",
		"app:":                          "",
		"app@sha256:abc":                "",
		"@" + digest:                    "",
		"app:v1:v2":                     "",
		"sha256:abc":                    "",
		"localhost:5000/app:v1":         "without the address of a registry",
		"registry.example.com:5000/app": "without the address of a registry",
	} {
		_, err := parseStoreRef(text)
		var usage *usageError
		if !errors.As(err, &usage) || !strings.Contains(usage.hint, want) || !strings.Contains(usage.hint, refForms) {
			t.Errorf("%q: got %v, want a usage error with %q", text, err, want)
		}
	}
}
