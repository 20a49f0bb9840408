package oci_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestAnnotationsAreReadAndNotBuilt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		`{"a":"1", "b\n" : "\ud83d\ude00"}`: {"a": "1", "b\n": "\U0001f600"},
		`{"a":null,"b":"1"}`:                {"a": "", "b": "1"},
		`{}`:                                {},
		`null`:                              nil,
	} {
		m, err := oci.ParseManifest("application/vnd.example+json", []byte(`{"annotations": `+text+` }`))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := m.Annotations.Map()
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: got %q and %v, want %q", text, got, err, want)
		}
	}
}

// TestWhatIsPushedIsBounded: what costs much memory whenever it is read may not be pushed. What is stored already is
// read as it is.
func TestWhatIsPushedIsBounded(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%d":""`, i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	long := func(n int) string { return `{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}` }
	for name, tt := range map[string]struct{ body, want string }{
		"1000 annotations":                  {`{"annotations":` + many(1000) + `}`, ""},
		"one more":                          {`{"annotations":` + many(1001) + `}`, "want at most 1000 members in an object, got more"},
		"annotations of megabytes":          {`{"annotations":` + long(3<<20) + `}`, ""},
		"annotations of a referrer":         {`{"subject":` + manifestJSON + `,"annotations":` + long(256<<10) + `}`, ""},
		"one byte more":                     {`{"subject":` + manifestJSON + `,"annotations":` + long(256<<10+1) + `}`, "annotations: want at most 262144 bytes where they are shown among others, got 262145"},
		"a long type of a referrer":         {`{"subject":` + manifestJSON + `,"artifactType":"a/` + strings.Repeat("b", 254) + `"}`, "artifactType: want at most 255 bytes, got 256"},
		"annotations of a descriptor":       {`{"subject":` + withMember(manifestJSON, `"annotations":`+long(256<<10+1)) + `}`, "subject.annotations: want at most 262144 bytes where they are shown among others, got 262145"},
		"1001 members":                      {many(1001), "want at most 1000 members in an object, got more"},
		"1001 annotations of a subject":     {`{"subject":` + withMember(manifestJSON, `"annotations":`+many(1001)) + `}`, "want at most 1000 members in an object, got more"},
		"1001 members of what nobody reads": {`{"x":` + many(1001) + `}`, ""},
	} {
		_, err := oci.ParsePushed("application/vnd.example+json", []byte(tt.body))
		if (err == nil) != (tt.want == "") || err != nil && (!errors.Is(err, oci.ErrManifestInvalid) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if _, err := oci.ParseManifest("application/vnd.example+json", []byte(tt.body)); err != nil {
			t.Errorf("%s: what is stored is refused: %v", name, err)
		}
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ object, key, want string }{
		{`{"a": {"b":[1]} ,"c":"d"}`, "a", `{"b":[1]}`},
		{`{"a":1,"c":"d\"" }`, "c", `"d\""`},
		{`{"a":1}`, "b", ""},
	} {
		if got, err := oci.Member([]byte(tt.object), tt.key); err != nil || string(got) != tt.want {
			t.Errorf("%s of %s: got %s and %v, want %s", tt.key, tt.object, got, err, tt.want)
		}
	}
	if _, err := oci.Member([]byte(`{"a":`), "a"); err == nil {
		t.Error("half an object is taken")
	}
}
