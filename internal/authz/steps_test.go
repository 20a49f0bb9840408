package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/webhook"
)

func TestAMountAsksForAPullOfItsSource(t *testing.T) {
	t.Parallel()
	mayMount := "request.action == 'mount-blob' && request.namespace == 'mine'"
	mayPull := "request.action == 'get-blob' && request.namespace == 'theirs' && request.digest.startsWith('sha256:')"
	tests := []struct {
		name  string
		rules []string
		from  string
		want  string
		asked string // of the decision
	}{
		{"both are allowed", []string{mayMount, mayPull}, "theirs", "allowed global global/2", "get-blob theirs"},
		{"the source is denied", []string{mayMount}, "theirs", "denied global", "get-blob theirs"},
		{"the mount is denied", []string{mayPull}, "theirs", "denied global", "mount-blob mine"},
		{"without a source there is no pull", []string{mayMount}, "", "allowed global global/1", "mount-blob mine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := asks(t, access.MountBlob, "mine")
			q.Request.Digest = parseDigest(t, "a")
			if tt.from != "" {
				q.Request.From = parseName(t, tt.from)
			}
			got := setup{global: rules(tt.rules...)}.build(t).Authorize(t.Context(), &q)
			asked := string(got.Asked.Action) + " " + got.Asked.Namespace.String()
			if told(got) != tt.want || asked != tt.asked {
				t.Errorf("got %q about %q, want %q about %q", told(got), asked, tt.want, tt.asked)
			}
		})
	}
}

func TestTheSourceOfAMountAsksItsOwnRepository(t *testing.T) {
	t.Parallel()
	a := setup{repositories: map[string]part{"mine": {policy: bans()}, "theirs": {policy: rules("false")}}}.build(t)
	q := asks(t, access.MountBlob, "mine/app")
	q.Request.Digest, q.Request.From = parseDigest(t, "a"), parseName(t, "theirs/app")
	if got := told(a.Authorize(t.Context(), &q)); got != "denied repository" {
		t.Errorf("got %q, want the source's repository to deny", got)
	}
}

func TestAnUploadInOneRequestAsksForItsEnd(t *testing.T) {
	t.Parallel()
	mayStart, mayComplete := "request.action == 'start-upload'", "request.action == 'complete-upload'"
	tests := []struct {
		name   string
		rules  []string
		digest bool
		want   string
	}{
		{"both are allowed", []string{mayStart, mayComplete}, true, "allowed global global/2"},
		{"the end is denied", []string{mayStart}, true, "denied global"},
		{"the begin is denied", []string{mayComplete}, true, "denied global"},
		{"a begin alone asks for no end", []string{mayStart}, false, "allowed global global/1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := asks(t, access.StartUpload, "mine")
			if tt.digest {
				q.Request.Digest = parseDigest(t, "a")
			}
			if got := told((setup{global: rules(tt.rules...)}).build(t).Authorize(t.Context(), &q)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMayListIsListTagsOfTheEntry(t *testing.T) {
	t.Parallel()
	a := setup{
		global: rules("request.action == 'list-catalog'", "request.action == 'list-tags' && request.namespace.startsWith('team/')"),
		repositories: map[string]part{
			"team/secret": {policy: rules("'ops' in identity.groups")},
		},
	}.build(t)
	catalog := asks(t, access.ListCatalog, "")
	for entry, want := range map[string]bool{"team/app": true, "other": false, "team/secret/x": false} {
		if got := a.mayList(t.Context(), &catalog, parseName(t, entry)); got != want {
			t.Errorf("%s: got %v, want %v", entry, got, want)
		}
	}
	if !a.Authorize(t.Context(), &catalog).Allowed {
		t.Error("the catalog itself is denied, want it allowed")
	}
}

func TestAnEntrySharesTheWebhooksAnswerWithItsTagList(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	for _, method := range []string{"post", "get"} {
		t.Run(method, func(t *testing.T) {
			hook := e.hook(t, "guard", 200, func(c *webhook.Config) { c.Method, c.CacheTTL = method, longest })
			a := setup{global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": hook}}.build(t)
			catalog := asks(t, access.ListCatalog, "")
			catalog.Transport.URI = "/v2/_catalog?n=10"
			before := len(e.questions())
			for range 3 {
				if !a.mayList(t.Context(), &catalog, parseName(t, "team/app")) {
					t.Fatal("got no, want the webhook's yes")
				}
				catalog.Transport.URI += "&last=x"
			}
			tags := asks(t, access.ListTags, "team/app")
			tags.Transport.URI = "/v2/team/app/tags/list"
			a.Authorize(t.Context(), &tags)
			if got := len(e.questions()) - before; got != 1 {
				t.Errorf("the webhook was asked %d times, want once", got)
			}
		})
	}
}

// TestAWebhookSeesThePullOfAMount wants it told as if the client had pulled: an endpoint that reads the
// path must not mistake it for the mount.
func TestAWebhookSeesThePullOfAMount(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	q := asks(t, access.MountBlob, "mine")
	q.Request.Method, q.Request.Digest, q.Request.From = http.MethodPost, parseDigest(t, "a"), parseName(t, "theirs")
	q.Transport.URI = "/v2/mine/blobs/uploads/?mount=x&from=theirs"
	for _, method := range []string{"get", "post"} {
		hook := e.hook(t, "guard", 200, func(c *webhook.Config) { c.Method = method })
		setup{global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": hook}}.build(t).Authorize(t.Context(), &q)
	}
	got := e.questions()
	if len(got) != 4 {
		t.Fatalf("asked %d times, want for the mount and for the pull, by both methods", len(got))
	}
	if h := got[1].header; h.Get("X-Forwarded-Method") != "GET" || !strings.HasPrefix(h.Get("X-Forwarded-Uri"), "/v2/theirs/blobs/sha256:aaa") || h.Get("X-Registry-Action") != "get-blob" {
		t.Errorf("got headers %v, want those of a pull", h)
	}
	var document map[string]map[string]any
	if err := json.Unmarshal(got[3].body, &document); err != nil {
		t.Fatal(err)
	}
	if r := document["request"]; r["action"] != string(access.GetBlob) || r["method"] != http.MethodGet || r["namespace"] != "theirs" || r["from"] != nil {
		t.Errorf("got %s, want the pull of the source", got[3].body)
	}
}

// TestAListingAsksAFewAtOnce lets no question of the first ones be answered before there are as many as may be at once.
func TestAListingAsksAFewAtOnce(t *testing.T) {
	t.Parallel()
	var (
		mu       sync.Mutex
		now, top int
		full     = make(chan struct{})
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		top = max(top, now)
		if now == asksPerListing {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full
		mu.Lock()
		now--
		mu.Unlock()
		if strings.HasSuffix(r.Header.Get("X-Registry-Namespace"), "7") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	cfg := webhook.DefaultConfig()
	cfg.Name, cfg.URL, cfg.Method, cfg.Timeout = "guard", server.URL, "get", time.Minute
	a := setup{global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": newHook(t, cfg)}}.build(t)
	catalog := asks(t, access.ListCatalog, "")
	var entries []oci.Name
	for i := range 100 {
		entries = append(entries, parseName(t, fmt.Sprintf("app%d", i)))
	}
	shown := a.MayList(t.Context(), &catalog, entries, time.Now().Add(time.Hour))
	if len(shown) != len(entries) || top != asksPerListing {
		t.Errorf("%d entries were decided about, and %d at once, want all %d and %d", len(shown), top, len(entries), asksPerListing)
	}
	for i := range shown {
		if shown[i] == (i%10 == 7) {
			t.Errorf("%s: got shown %v", entries[i], shown[i])
		}
	}
	if shown := a.MayList(t.Context(), &catalog, entries, time.Now()); len(shown) != 1 {
		t.Errorf("%d entries were decided about behind the end of the time, want one", len(shown))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for range asksOfListings { // others are asked about as many as may be
		a.listing <- struct{}{}
	}
	if shown := a.MayList(ended, &catalog, entries, time.Now().Add(time.Hour)); len(shown) != 0 {
		t.Errorf("%d entries were decided about for nobody, want none", len(shown))
	}
}
