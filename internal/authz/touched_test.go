package authz

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

// tagged is a manifest with these tags, or a store that fails.
type tagged struct {
	tags  []string
	err   error
	looks int
}

func (m *tagged) TagsOf(_ context.Context, _ oci.Name, _ oci.Digest, n int) (tags []oci.Tag, more bool, err error) {
	m.looks++
	for _, text := range m.tags[:min(n, len(m.tags))] {
		tag, err := oci.ParseTag(text)
		if err != nil {
			return nil, false, err
		}
		tags = append(tags, tag)
	}
	return tags, len(m.tags) > n, m.err
}

func TestRulesSeeTheTagsThatGoWithAManifest(t *testing.T) {
	t.Parallel()
	const dev = "request.tags.all(t, t.startsWith('dev-'))"
	failed := errors.New("the store does not answer")
	many := slices.Repeat([]string{"dev-1"}, access.MaxTags+1)
	for _, tt := range []struct {
		name      string
		setup     setup
		store     tagged
		action    access.Action
		anonymous bool
		want      string
		looks     int
		err       error
	}{
		{name: "no tag", setup: setup{global: rules(dev)}, want: "allowed global global/1", looks: 1},
		{name: "tags that may go", setup: setup{global: rules(dev)}, store: tagged{tags: []string{"dev-1", "dev-2"}}, want: "allowed global global/1", looks: 1},
		{name: "one that may not", setup: setup{global: rules(dev)}, store: tagged{tags: []string{"dev-1", "prod"}}, want: "denied global", looks: 1},
		{name: "one that a rule denies", setup: setup{global: bans("'prod' in request.tags")}, store: tagged{tags: []string{"prod"}}, want: "denied global global/1", looks: 1},
		{name: "a look for all rules", setup: setup{global: rules("'x' in request.tags", dev), repositories: map[string]part{"team": {policy: rules(dev)}}}, want: "allowed repository team/1", looks: 1},
		{name: "no rule reads them", setup: setup{global: rules(signedIn)}, store: tagged{err: failed}, want: "allowed global global/1"},
		{name: "no rule comes to read them", setup: setup{global: rules("identity.username == 'bob' && " + dev)}, store: tagged{err: failed}, want: "denied global"},
		{name: "another action", setup: setup{global: rules(dev)}, store: tagged{tags: []string{"prod"}}, action: access.GetManifest, want: "allowed global global/1"},
		{name: "a store that fails", setup: setup{global: rules(dev)}, store: tagged{err: failed}, want: "denied global", looks: 1, err: failed},
		{name: "a store that fails, and a rule that is skipped", setup: setup{global: skipping("'prod' in request.tags")}, store: tagged{err: failed}, want: "denied global", looks: 1, err: failed},
		{name: "a store that fails, and a rule that allows all the same", setup: setup{global: rules("'prod' in request.tags || true")}, store: tagged{err: failed}, want: "denied global global/1", looks: 1, err: failed},
		{name: "as many as rules look at", setup: setup{global: rules(dev)}, store: tagged{tags: many[1:]}, want: "allowed global global/1", looks: 1},
		{name: "more", setup: setup{global: rules(dev)}, store: tagged{tags: many}, want: "denied global", looks: 1, err: access.ErrTooManyTags},
		{name: "more, which nobody else shall know", setup: setup{global: rules(dev), hide: true}, store: tagged{tags: many}, want: "denied global", looks: 1},
		{name: "nor who has not signed in", setup: setup{global: rules(dev)}, anonymous: true, store: tagged{tags: many}, want: "denied global", looks: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := tt.setup.build(t)
			a.Tags = &tt.store
			q := deletes(t, "team/app")
			if tt.action != "" {
				q.Request.Action = tt.action
			}
			if tt.anonymous {
				q.Identity = access.Identity{}
			}
			d := a.Authorize(t.Context(), &q)
			if got := told(d); got != tt.want || tt.store.looks != tt.looks || !errors.Is(d.Err, tt.err) {
				t.Errorf("got %q, %d looks and error %v, want %q, %d and %v", got, tt.store.looks, d.Err, tt.want, tt.looks, tt.err)
			}
		})
	}
}

// deletes is alice's question whether a manifest may go by its digest.
func deletes(t *testing.T, ns string) access.Question {
	t.Helper()
	q := asks(t, access.DeleteManifest, ns)
	q.Request.Reference = oci.Reference{Digest: parseDigest(t, "a")}
	return q
}

// skipping is a policy that allows what none of the rules denies, and skips those that fail.
func skipping(exprs ...string) *policy.Config {
	cfg := bans(exprs...)
	cfg.OnError = "skip"
	return cfg
}

func TestAWebhookIsToldOfTheTagsThatGoWithAManifest(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	a := setup{global: rules(signedIn), hook: "guard", webhooks: map[string]*webhook.Client{"guard": e.hook(t, "guard", 200, nil)}}.build(t)
	store := &tagged{tags: []string{"prod", "v1"}}
	a.Tags = store
	q := deletes(t, "team/app")
	if d := a.Authorize(t.Context(), &q); !d.Allowed {
		t.Fatal(told(d))
	}
	var asked struct{ Request struct{ Tags []string } }
	if err := json.Unmarshal(e.questions()[0].body, &asked); err != nil || !slices.Equal(asked.Request.Tags, store.tags) {
		t.Errorf("got %q and %v, want %q", asked.Request.Tags, err, store.tags)
	}
	store.err = errors.New("the store does not answer")
	if d := a.Authorize(t.Context(), &q); d.Allowed || !errors.Is(d.Err, store.err) || len(e.questions()) != 1 {
		t.Errorf("got %q, %v and %d questions, want that nobody is asked", told(d), d.Err, len(e.questions()))
	}
}
