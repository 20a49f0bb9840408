package gc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestTheRulesAreAskedAboutATagThatNamesItsOwnManifest(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, _ := p.image("one")
	own := "sha256-" + manifest.Hex() + ".imgpkg"
	p.manifest(ocitest.Image("one").Content, own)
	p.decide = func(image registry.Image) bool { return image.Tag.String() == own }
	report, err := p.collect(3)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasTag(own) {
		t.Error("the tag is gone that a rule keeps")
	}
}

// TestATagThatBelongsToASubjectKeepsNoRuleFromItsManifest: who may push must not lose, by a tag that looks like a
// signature's, an image that the rules keep without a tag.
func TestATagThatBelongsToASubjectKeepsNoRuleFromItsManifest(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	_, layer := p.image("one")
	subject, _ := p.image("its subject", "v1")
	p.manifest(ocitest.Image("one").Content, "sha256-"+subject.Hex()+".sig")
	p.decide = func(image registry.Image) bool { return image.Tag.IsZero() }
	report, err := p.collect(3)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if p.hasTag("v1") {
		t.Error("the subject's tag stays, which nothing keeps")
	}
	if !p.hasBlob(layer) {
		t.Error("the image is gone that the rules keep without a tag")
	}
}

func TestARunForOneRepositoryAppliesNoRulesToAnother(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	_, untagged := p.image("untagged")
	p.image("tagged", "v1")
	p.decide = func(registry.Image) bool { return false }
	elsewhere, err := oci.ParseName("elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	p.only = elsewhere
	if report, err := p.collect(3); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasTag("v1") || !p.hasBlob(untagged) {
		t.Error("something is gone of a namespace that the run was not for")
	}
}

func TestPullTimesThatCannotBeReadKeepTheirNamespace(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Retention = verdicts{namespaces: []string{"app", "other"}, keep: []string{"kept"}}
	w := gctest.New(t, inFolder(t, opts))
	w.Play("image a app:a a\n image b app b\n pull app:a\n image c other:c c\n image d other:kept d\n wait 2h")
	if err := os.WriteFile(filepath.Join(w.Root(), "app/_pulls"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Open()
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{})
	if !errors.Is(err, gc.ErrIncomplete) || report.Outcome != gc.Failed || !strings.Contains(report.Errors[0], "app/_pulls") {
		t.Errorf("got %v and %+v, want that it failed at app/_pulls", err, report)
	}
	if report.Removed.Objects != 1 {
		t.Errorf("got %d tags removed, want that of other alone", report.Removed.Objects)
	}
	w.Pull("app:a")
	w.Pull("app@b")
	for ref, want := range map[string]string{"app:a": "the times of pulls cannot be read", "app@b": "the times of pulls cannot be read"} {
		if got := explained(t, w, ref); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
}
