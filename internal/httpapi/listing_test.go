package httpapi_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// page reads a listing, whichever of the two it is, and the path of the next page.
func page(t *testing.T, a answer) (names []string, next string) {
	t.Helper()
	a.wants(t, want{status: 200, header: map[string]string{"Content-Type": "application/json"}})
	var list struct{ Tags, Repositories []string }
	must(t, json.Unmarshal([]byte(a.body), &list))
	link, found := strings.CutPrefix(a.header.Get("Link"), "<")
	next, end := strings.CutSuffix(link, `>; rel="next"`)
	if found != end {
		t.Errorf("Link %q is no link to a next page", a.header.Get("Link"))
	}
	return append(list.Tags, list.Repositories...), next
}

// walk follows the links from a page to the last one.
func (f *fixture) walk(t *testing.T, path string) (names []string, pages int) {
	t.Helper()
	for path != "" {
		var more []string
		more, path = page(t, f.get(path))
		names = append(names, more...)
		if pages++; pages > 100 {
			t.Fatal("the links lead in a circle")
		}
	}
	return names, pages
}

// tagsInOrder are in the order of their bytes, which is that of the spec for tags of one case.
var tagsInOrder = []string{"0", "1.0", "1.0-rc", "10", "A", "AB", "Aa", "B", "LATEST", "Z", "_", "a", "aB", "ab", "latest", "v1", "z"}

func TestPagesOfTags(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "z")
	shuffled := slices.Clone(tagsInOrder)
	slices.Reverse(shuffled)
	f.putManifest("app", image.Digest.String()+"?tag="+strings.Join(shuffled, "&tag="), image.Content).wants(t, want{status: 201})

	f.get("/v2/app/tags/list").wants(t, want{
		status: 200, header: map[string]string{"Link": none, "Docker-Distribution-Api-Version": "registry/2.0"},
		body: `{"name":"app","tags":["` + strings.Join(tagsInOrder, `","`) + `"]}`,
	})
	for _, n := range []string{"1", "2", "5", "16", "17", "18", "1000000000"} {
		names, _ := f.walk(t, "/v2/app/tags/list?n="+n)
		if !slices.Equal(names, tagsInOrder) {
			t.Errorf("pages of %s\n got %q\nwant %q", n, names, tagsInOrder)
		}
	}
	for _, tt := range []struct {
		query, names string
		more         bool
	}{
		{"?n=3", "0 1.0 1.0-rc", true},
		{"?n=3&last=Z", "_ a aB", true},
		{"?last=latest", "v1 z", false},
		{"?n=2&last=latest", "v1 z", false},
		{"?last=between", "latest v1 z", false},
		{"?last=z", "", false},
		{"?n=0", "", false},
		{"?n=0&last=a", "", false},
		{"?n=&last=a", "bad", false},
	} {
		if tt.names == "bad" {
			f.get("/v2/app/tags/list"+tt.query).wants(t, want{status: 400, code: oci.CodePaginationNumberInvalid})
			continue
		}
		names, next := page(t, f.get("/v2/app/tags/list"+tt.query))
		if strings.Join(names, " ") != tt.names || (next != "") != tt.more {
			t.Errorf("%s: got %q and next %q, want %s, more %t", tt.query, names, next, tt.names, tt.more)
		}
	}
}

func TestListingsRefuseWhatIsNoPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	for _, path := range []string{"/v2/app/tags/list", "/v2/_catalog"} {
		for _, n := range []string{"-1", "x", "1.5", "0x10", "99999999999999999999", " 1"} {
			f.get(path+"?n="+url.QueryEscape(n)).wants(t, want{status: 400, code: oci.CodePaginationNumberInvalid})
		}
	}
	f.get("/v2/app/tags/list?last=-").wants(t, want{status: 400, code: oci.CodeTagInvalid})
	f.get("/v2/_catalog?last=A").wants(t, want{status: 400, code: oci.CodeNameInvalid})
	f.get("/v2/_catalog?last=../x").wants(t, want{status: 400, code: oci.CodeNameInvalid})
}

func TestTagsOfNamespacesWithoutTags(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.get("/v2/none/tags/list").wants(t, want{status: 404, code: oci.CodeNameUnknown})
	image := f.pushImage("app", "a", "v1")
	f.get("/v2/ap/tags/list").wants(t, want{status: 404, code: oci.CodeNameUnknown})
	f.delete("/v2/app/manifests/v1").wants(t, want{status: 202})
	f.get("/v2/app/tags/list").wants(t, want{status: 200, body: `{"name":"app","tags":[]}`})
	f.pushManifest("untagged", ocitest.Index().Digest.String(), ocitest.Index().Content)
	f.get("/v2/untagged/tags/list").wants(t, want{status: 200, body: `{"name":"untagged","tags":[]}`})
	f.get("/v2/app/manifests/"+image.Digest.String()).wants(t, want{status: 200})
}

// TestPagesOfTheCatalog has nested names, and one whose next byte sorts before '/'.
func TestPagesOfTheCatalog(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	inOrder := []string{"a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "a_b", "b", "library/nginx", "z/y/x"}
	page0, _ := page(t, f.get("/v2/_catalog"))
	if len(page0) != 0 {
		t.Errorf("empty catalog is %q", page0)
	}
	f.get("/v2/_catalog").wants(t, want{status: 200, body: `{"repositories":[]}`})
	shuffled := slices.Clone(inOrder)
	slices.Reverse(shuffled)
	for _, ns := range shuffled {
		f.pushManifest(ns, "v1", ocitest.Index().Content)
	}
	f.get("/v2/_catalog").wants(t, want{status: 200, header: map[string]string{"Link": none}, body: `{"repositories":["` + strings.Join(inOrder, `","`) + `"]}`})
	for _, n := range []string{"1", "3", "10", "11"} {
		names, _ := f.walk(t, "/v2/_catalog?n="+n)
		if !slices.Equal(names, inOrder) {
			t.Errorf("pages of %s\n got %q\nwant %q", n, names, inOrder)
		}
	}
	names, next := page(t, f.get("/v2/_catalog?n=2&last=a/b"))
	if strings.Join(names, " ") != "a/b-c a/b/c" || next == "" {
		t.Errorf("page behind a/b is %q, next %q", names, next)
	}
	names, next = page(t, f.get("/v2/_catalog?n=0"))
	if len(names) != 0 || next != "" {
		t.Errorf("page of nothing is %q, next %q", names, next)
	}
}

func TestHeadOfListings(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	for _, path := range []string{"/v2/app/tags/list", "/v2/_catalog", "/v2/app/referrers/" + unknown, "/v2/"} {
		a := f.head(path)
		a.wants(t, want{status: 200})
		if a.body != "" || a.header.Get("Content-Length") == "" {
			t.Errorf("HEAD %s has %d bytes and the length %q", path, len(a.body), a.header.Get("Content-Length"))
		}
	}
}
