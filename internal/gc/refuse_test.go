package gc_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

func TestAMetadataStoreWithoutNamespacesIsRefused(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	for _, name := range []string{"app", "other"} {
		if err := os.RemoveAll(filepath.Join(w.Root(), name)); err != nil {
			t.Fatal(err)
		}
	}
	w.Open()
	wantRefused(t, w, gc.RunOptions{}, "no namespace at all")
	wantRefused(t, w, gc.RunOptions{Only: gc.CollectPart}, "no namespace at all")

	all := 100.0
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{MaxDelete: &all})
	if err != nil || report.Awaiting.Objects == 0 {
		t.Errorf("got %+v and %v, want that all goes as somebody says", report, err)
	}
}

func TestHowMuchMayGo(t *testing.T) {
	t.Parallel()
	const script = "image a app:a a\n image b app:b b\n image c app:c c\n image d other:d d\n wait 2h"
	for name, tc := range map[string]struct {
		rules   verdicts
		config  string  // gc.max_delete
		flag    float64 // percent, below 0: not given
		refused string
	}{
		"no rule keeps anything":                        {verdicts{namespaces: []string{"app", "other"}}, "100%", -1, "keep no tag at all, and all 4"},
		"somebody says that all may go":                 {verdicts{namespaces: []string{"app", "other"}}, "10%", 100, ""},
		"nearly all is not all":                         {verdicts{namespaces: []string{"app", "other"}}, "10%", 99.9, "keep no tag at all"},
		"one repository keeps nothing":                  {verdicts{namespaces: []string{"app"}}, "100%", -1, ""},
		"more than the config permits":                  {verdicts{namespaces: []string{"app"}}, "74%", -1, "3 of 4 tags would go, which is 75.0%, and at most 74% may"},
		"just as much as the config permits":            {verdicts{namespaces: []string{"app"}}, "75%", -1, ""},
		"a flag permits less than the config":           {verdicts{namespaces: []string{"app"}}, "100%", 20, "at most 20% may"},
		"a flag permits more than the config":           {verdicts{namespaces: []string{"app"}}, "0%", 75, ""},
		"nothing may go, and nothing does":              {verdicts{namespaces: []string{"app"}, keep: []string{"a", "b", "c"}}, "0%", -1, ""},
		"nothing may go, and one does":                  {verdicts{namespaces: []string{"app"}, keep: []string{"a", "b"}}, "0%", -1, "1 of 4 tags"},
		"nothing may go by a flag, whatever the config": {verdicts{namespaces: []string{"app"}, keep: []string{"a", "b"}}, "100%", 0, "at most 0% may"},
	} {
		for _, only := range []gc.Part{gc.Everything, gc.RetentionPart} {
			t.Run(name+" "+string(only), func(t *testing.T) {
				t.Parallel()
				opts := options()
				opts.GC.MaxDelete, opts.Retention = tc.config, tc.rules
				w := gctest.New(t, inFolder(t, opts))
				w.Play(script)
				run := gc.RunOptions{Only: only}
				if tc.flag >= 0 {
					run.MaxDelete = &tc.flag
				}
				if tc.refused != "" {
					wantRefused(t, w, run, tc.refused)
					return
				}
				if _, err := w.Collector.Run(t.Context(), run); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestBlobsAndManifestsCountAsTagsDo(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.GC.MaxDelete = "50%"
	w := gctest.New(t, inFolder(t, opts))
	w.Play("image v1 app:v1 base\n blob a app\n blob b app\n blob c app\n wait 2h")
	wantRefused(t, w, gc.RunOptions{}, "3 of 5 blobs would go")

	w = gctest.New(t, inFolder(t, opts))
	w.Play("image v1 app:v1 base\n image a app base\n image b app base\n wait 2h")
	wantRefused(t, w, gc.RunOptions{}, "2 of 3 manifests would go")
}

func TestAPlanThatIsRefusedCanBeSeen(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Retention = verdicts{namespaces: []string{"app"}}
	w := gctest.New(t, inFolder(t, opts))
	w.Play("image v1 app:v1 base\n upload half app\n wait 25h")
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true})
	var refused *gc.RefusedError
	if !errors.As(err, &refused) || len(report.Plan.Tags) != 1 || len(report.Plan.Uploads) != 1 || len(report.Plan.Condemn) == 0 {
		t.Errorf("got %v and %+v, want a refusal with the whole plan", err, report.Plan)
	}
}

func TestAClockThatIsFarBehindTheRecordsIsRefused(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	w.CollectorAhead = -w.Now.Sub(time.Unix(0, 0))
	wantRefused(t, w, gc.RunOptions{}, "the clock says 1970-01-01T00:00:00Z, and app:v1 was pushed at 2026-11-01T12:00:00Z")

	w.CollectorAhead = -23 * time.Hour // as zones differ
	w.Collect()
	w.CollectorAhead = 0
	w.Collect()
	w.Pull("app:v1")
}

func TestAPushOfAWrongClockIsNamed(t *testing.T) {
	t.Parallel()
	w := gctest.New(t, inFolder(t, options()))
	w.Play("image v1 app:v1 base")
	at := w.Now
	w.Now = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	w.Play("image new other:new base two")
	w.Now = at
	w.Play("wait 2h")
	wantRefused(t, w, gc.RunOptions{}, "other:new was pushed at 2100-01-01T00:00:00Z")
	w.Play("again new other:new")
	w.Collect()

	w.Now = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	w.Play("image untagged other base three")
	w.Now = at.Add(3 * time.Hour)
	wantRefused(t, w, gc.RunOptions{}, "other@untagged was pushed at")
	w.Play("delete other@untagged")
	w.Collect()
}
