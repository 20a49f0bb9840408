package gc_test

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc/gctest"
)

func TestWhatAnExplanationSays(t *testing.T) {
	t.Parallel()
	const world = `
		image arm app arm
		index all app:all arm
		image sig app subject=all signature
		image old app:old old
		image untagged app untagged
		image free other:free one
		image gone app:gone gone
		blob stray app
		wait 2h
		delete app:gone
		delete app@gone`
	for _, c := range []struct {
		name, ref, then string
		want            []string // parts, in their order
	}{
		{"a tag that a rule keeps", "app:all", "", []string{"tag all in app; rule listed keeps it; manifest all in app; tag all stands for it, which rule listed keeps"}},
		{"a tag that no rule keeps", "app:old", "", []string{"tag old in app; no rule of retention keeps it; manifest old in app; no rule keeps it", "it is condemned, and destroyed by a run that is gc.trash (1h) later"}},
		{"a tag without rules", "other:free", "", []string{"tag free in other; there are no rules of retention for other; manifest free in other; tag free stands for it"}},
		{"a child", "app@arm", "", []string{"manifest arm in app; manifest all names it; tag all stands for it"}},
		{"a referrer", "app@sig", "", []string{"manifest sig in app; it refers to manifest all; tag all stands for it"}},
		{"an untagged manifest", "app@untagged", "", []string{"manifest untagged in app; no rule keeps it, and nothing that is kept names it"}},
		{"a blob that a manifest names", "app@arm.config", "", []string{"blob arm.config in app; manifest arm names it; manifest all names it; tag all stands for it", "the content of blob arm.config; a namespace holds it"}},
		{"a blob that nothing names", "app@stray", "", []string{"blob stray in app; no manifest that is kept names it; it is condemned", "the content of blob stray; no namespace that needs it holds it"}},
		{"a blob of another namespace", "other@arm.config", "", []string{"the content of blob arm.config; a namespace holds it"}},
		{"a young blob", "app@young", "blob young app", []string{"blob young in app; it was stored less than gc.grace (1m) ago"}},
		{"what was removed", "app:gone", "", []string{"tag gone in app; it was removed by bob at 2026-11-01T14:00:00Z, and can be restored until 2026-11-01T15:00:00Z"}},
		{"a manifest that was removed", "app@gone", "image v1 app subject=gone x", []string{"manifest gone in app; it was removed by bob at"}},
		{"what waits", "app@stray", "collect", []string{"blob stray in app; condemned since 2026-11-01T14:00:00Z; it can be destroyed from 2026-11-01T15:00:00Z on", "the content of blob stray; condemned since"}},
		{"what is destroyed", "app@stray", "collect\n wait 1h", []string{"blob stray in app; condemned since 2026-11-01T14:00:00Z; its time is over, and nothing needs it: it is destroyed"}},
		{"what can be restored", "app@gone.config", "collect", []string{"blob gone.config in app; condemned since 2026-11-01T14:00:00Z; it can be destroyed from"}},
		{"what is not there", "app:never", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options()
			opts.Retention = verdicts{namespaces: []string{"app"}, keep: []string{"all"}}
			w := gctest.New(t, opts)
			w.Play(world + "\n" + c.then)
			got := explained(t, w, c.ref)
			rest := got
			for _, part := range c.want {
				_, after, found := strings.Cut(rest, part)
				if rest = after; !found {
					t.Errorf("%s: got\n%s\nwant in it\n%s", c.ref, strings.ReplaceAll(got, "; ", "\n"), strings.ReplaceAll(part, "; ", "\n"))
				}
			}
			if len(c.want) == 0 && got != "" {
				t.Errorf("%s: got %q, want nothing", c.ref, got)
			}
		})
	}
}
