package events_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/events"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		filter    events.Filter
		kind      events.Kind
		namespace string
		want      bool
	}{
		{"nothing chosen is all", events.Filter{}, events.Push, "team/app", true},
		{"nothing chosen is collected blobs too", events.Filter{}, events.Collect, "", true},
		{"nothing chosen is no pull", events.Filter{}, events.Pull, "team/app", false},
		{"pulls are sent when asked for", events.Filter{Kinds: []events.Kind{events.Pull}}, events.Pull, "team/app", true},
		{"a kind that was not chosen", events.Filter{Kinds: []events.Kind{events.Tag}}, events.Push, "team/app", false},
		{"one star stays in its level", events.Filter{Namespaces: []string{"team/*"}}, events.Push, "team/a/b", false},
		{"two stars go below", events.Filter{Namespaces: []string{"team/**"}}, events.Push, "team/a/b", true},
		{"a glob matches the whole namespace", events.Filter{Namespaces: []string{"team"}}, events.Push, "team/app", false},
		{"any glob is enough", events.Filter{Namespaces: []string{"a", "team/app"}}, events.Push, "team/app", true},
		{"what is in no namespace matches no name", events.Filter{Namespaces: []string{"team/**"}}, events.Collect, "", false},
		{
			"kind and namespace must both match",
			events.Filter{Kinds: []events.Kind{events.Delete}, Namespaces: []string{"team/**"}},
			events.Push, "team/app", false,
		},
	} {
		e := events.Event{Kind: tc.kind, Namespace: tc.namespace}
		if got := tc.filter.Wants(e); got != tc.want {
			t.Errorf("%s: got %t, want %t", tc.name, got, tc.want)
		}
	}
}

func TestWhatIsAskedBeforeAnEventIsMadeAllocatesNothing(t *testing.T) {
	filter := events.Filter{Kinds: []events.Kind{events.Push, events.Tag, events.Delete}}
	wanted := false
	if n := testing.AllocsPerRun(100, func() { wanted = filter.WantsKind(events.Pull) }); n != 0 || wanted {
		t.Errorf("got %v allocations and %t, want 0 and false", n, wanted)
	}
}
