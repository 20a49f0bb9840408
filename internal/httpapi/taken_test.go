package httpapi_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

var takenRow = regexp.MustCompile("(?m)^\\| (image|index) \\| `(.*)` \\| (taken|refused) \\|")

// TestWhatOthersTook pushes what the table in docs/api.md says is taken or refused.
func TestWhatOthersTook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/api.md")
	must(t, err)
	rows := takenRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) < 20 {
		t.Fatalf("docs/api.md has %d rows, want the table", len(rows))
	}
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "image")
	index := ocitest.Index(image)
	f.pushManifest("app", "index", index.Content)
	digests := strings.NewReplacer("CONFIG", image.Config.Digest.String(), "LAYER", image.Layers[0].Digest.String(), "CHILD", image.Digest.String())
	for _, row := range rows {
		in, members, is := row[1], digests.Replace(row[2]), row[3]
		t.Run(in+": "+row[2], func(t *testing.T) {
			base := map[string]ocitest.Content{"image": image.Content, "index": index.Content}[in]
			manifest := ocitest.New(base.MediaType, replaced(t, base.Text, members))
			a := f.putManifest("app", manifest.Digest.String(), manifest)
			if is == "refused" {
				a.wants(t, want{status: 400, code: oci.CodeManifestInvalid})
				return
			}
			a.wants(t, want{status: 201})
			f.get("/v2/app/manifests/"+manifest.Digest.String()).wants(t, want{status: 200, body: manifest.Text})
		})
	}
	f.holds(t)
}

// replaced is a JSON object with members in place of its own of these keys.
func replaced(t *testing.T, object, members string) string {
	t.Helper()
	var own map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(object), &own))
	decoder := json.NewDecoder(strings.NewReader("{" + members + "}"))
	_, err := decoder.Token()
	for must(t, err); decoder.More(); {
		key, err := decoder.Token()
		must(t, err)
		var value json.RawMessage
		must(t, decoder.Decode(&value))
		delete(own, key.(string))
	}
	text := "{" + members
	for key, value := range own {
		text += fmt.Sprintf(",%q:%s", key, value)
	}
	return text + "}"
}

// TestANullAnnotationIsAnEmptyText among referrers, where strict readers want texts.
func TestANullAnnotationIsAnEmptyText(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	subject := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	referrer := ocitest.Referrer(subject, "application/vnd.example").Note("x")
	f.pushManifest("app", "referrer", ocitest.New(referrer.MediaType, strings.Replace(referrer.Text, `"x"`, "null", 1)))
	if a := f.get("/v2/app/referrers/" + subject.Digest.String()); !strings.Contains(a.body, `"annotations":{"org.example.note":""}`) {
		t.Errorf("got %s, want an empty text", a.body)
	}
}
