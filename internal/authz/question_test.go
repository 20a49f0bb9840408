package authz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/webhook"
)

const longest = time.Hour

// full is a question with every part.
func full(t testing.TB) access.Question {
	t.Helper()
	tag, err := oci.ParseTag("v1")
	if err != nil {
		t.Fatal(err)
	}
	return access.Question{
		Identity: access.Identity{
			ID: "github/repo:acme/web", Username: "acme-web", Groups: []string{"ci", "acme"}, ClientIP: netip.MustParseAddr("192.0.2.7"),
			Certificate: access.Certificate{
				CommonNames: []string{"runner-7"}, Organizations: []string{"Platform", "Acme, Inc."},
				DNSNames: []string{"runner-7.acme.example"}, Emails: []string{"ci@acme.example"},
				URIs: []string{"spiffe://acme.example/ci"}, IPs: []string{"192.0.2.7"},
				Serial: "1f", Fingerprint: "5e0c",
			},
			OIDC: &access.OIDC{
				Provider: "github", Subject: "repo:acme/web",
				Claims: map[string]any{"repository": "acme/web", "run_attempt": 1.0, "environments": []any{"production"}},
			},
		},
		Request: access.Request{
			Action: access.PutManifest, Method: http.MethodPut, Namespace: parseName(t, "acme/web"),
			Reference: parseReference(t, "v1"), Digest: parseDigest(t, "a"), Tags: []oci.Tag{tag}, From: parseName(t, "acme/base"),
			SessionID: "s1", ArtifactType: "application/x", N: 10, HasN: true, Last: "v0",
		},
		Transport: access.Transport{
			RequestID: "r1", Proto: "https", Host: "registry.acme.example", URI: "/v2/acme/web/manifests/v1",
			Header: http.Header{"X-Team": {"web"}},
		},
	}
}

// TestADecisionIsNeverGivenToAnother changes each part of a question by reflection, and wants the
// webhook to be asked anew: a field that somebody adds to the question and forgets in what a remembered
// answer stands for fails here.
func TestADecisionIsNeverGivenToAnother(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"post", "get"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			hook := e.hook(t, "guard", 200, func(c *webhook.Config) {
				c.Method, c.CacheTTL, c.ForwardHeaders = method, longest, []string{"X-Team"}
			})
			a := setup{global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": hook}}.build(t)
			ask := func(q access.Question) int {
				before := len(e.questions())
				a.askWebhook(t.Context(), hook, &q, nil)
				return len(e.questions()) - before
			}
			if ask(full(t)) != 1 || ask(full(t)) != 0 {
				t.Fatal("the same question was not remembered")
			}
			// These say nothing about what may be done, or are decided about before.
			excused := []string{"Transport.RequestID", "Transport.ClientRequestID", "Transport.Admin", "Scope"}
			for _, c := range changes(t, reflect.TypeFor[access.Question](), "") {
				q := full(t)
				c.apply(reflect.ValueOf(&q).Elem())
				want := 1
				for _, path := range excused {
					if c.path == path {
						want = 0
					}
				}
				if got := ask(q); got != want {
					t.Errorf("%s changed: the webhook was asked %d times, want %d", c.path, got, want)
				}
			}
		})
	}
}

// change makes one leaf of a struct another one.
type change struct {
	path  string
	apply func(root reflect.Value)
}

// changes finds a change for each leaf below a type.
func changes(t *testing.T, of reflect.Type, path string) []change {
	t.Helper()
	var all []change
	for i := range of.NumField() {
		field := of.Field(i)
		below := strings.TrimPrefix(path+"."+field.Name, ".")
		within := func(c change) change {
			return change{c.path, func(root reflect.Value) { c.apply(reflect.Indirect(root.Field(i))) }}
		}
		leaf := func(value any) {
			all = append(all, change{below, func(root reflect.Value) { root.Field(i).Set(reflect.ValueOf(value).Convert(field.Type)) }})
		}
		switch v := reflect.Zero(field.Type).Interface().(type) {
		case string, access.Action:
			leaf("another")
		case int:
			leaf(v + 11)
		case bool:
			all = append(all, change{below, func(root reflect.Value) { root.Field(i).SetBool(!root.Field(i).Bool()) }})
		case *access.Scope:
			leaf(&access.Scope{})
		case []string:
			leaf([]string{"another"})
		case []oci.Tag:
			leaf([]oci.Tag{})
		case netip.Addr:
			leaf(netip.MustParseAddr("192.0.2.8"))
		case oci.Name:
			leaf(parseName(t, "another"))
		case oci.Digest:
			leaf(parseDigest(t, "b"))
		case oci.Reference:
			leaf(parseReference(t, "another"))
		case map[string]any:
			leaf(map[string]any{"repository": "acme/web", "run_attempt": 2.0, "environments": []any{"production"}})
		case map[string][]string:
			leaf(map[string][]string{"X-Team": {"another"}})
		case *access.OIDC:
			all = append(all, change{below, func(root reflect.Value) { root.Field(i).SetZero() }})
			for _, c := range changes(t, field.Type.Elem(), below) {
				all = append(all, within(c))
			}
		case access.Identity, access.Request, access.Transport, access.Certificate:
			for _, c := range changes(t, field.Type, below) {
				all = append(all, within(c))
			}
		default:
			t.Fatalf("%s is of type %s: teach this test to change it", below, field.Type)
		}
	}
	return all
}

func TestEveryFieldHasAChange(t *testing.T) {
	t.Parallel()
	base := full(t)
	for _, c := range changes(t, reflect.TypeFor[access.Question](), "") {
		q := full(t)
		c.apply(reflect.ValueOf(&q).Elem())
		if reflect.DeepEqual(q, base) {
			t.Errorf("the change of %s changes nothing: the test above proves nothing about it", c.path)
		}
	}
}

// TestTheDocumentIsTheOneOfTheDocs compares what a webhook gets with docs/webhooks.md.
func TestTheDocumentIsTheOneOfTheDocs(t *testing.T) {
	t.Parallel()
	q := full(t)
	// A request as there are some: not every part at once.
	q.Request.From, q.Request.SessionID, q.Request.ArtifactType = oci.Name{}, "", ""
	q.Request.N, q.Request.HasN, q.Request.Last, q.Request.Digest = 0, false, "", oci.Digest{}
	got, err := newDocument(q.Identity, q.Request)
	if err != nil {
		t.Fatal(err)
	}
	page := readDocs(t)
	block := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(page)
	if block == nil {
		t.Fatal("docs/webhooks.md shows no JSON")
	}
	if sorted(t, got) != sorted(t, []byte(block[1])) {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, got, "", "  "); err != nil {
			t.Fatal(err)
		}
		t.Errorf("docs/webhooks.md shows another document than a webhook gets:\n%s", pretty.String())
	}
}

// sorted is a document with its names in order.
func sorted(t *testing.T, document []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheHeadersAreThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	q := full(t)
	documented := regexp.MustCompile("(?m)^\\| `(X-[A-Za-z-]+)` \\|").FindAllStringSubmatch(readDocs(t), -1)
	var got, want []string
	for _, fact := range newFacts(&q) {
		got = append(got, fact.Name)
		if len(fact.Values) == 0 {
			t.Errorf("%s has no value in a question that has every part", fact.Name)
		}
	}
	for _, row := range documented {
		want = append(want, row[1])
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got headers %v, docs/webhooks.md has %v", got, want)
	}
}

func readDocs(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func TestWhatIsAbsentIsNull(t *testing.T) {
	t.Parallel()
	got, err := newDocument(access.Identity{}, access.Request{Action: access.ListCatalog, Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"identity":{"id":null,"username":null,"groups":[],"client_ip":null,` +
		`"certificate":{"common_names":[],"organizations":[],"dns_names":[],"emails":[],"uris":[],"ips":[],"serial":null,"fingerprint":null},"oidc":null},` +
		`"request":{"action":"list-catalog","method":"GET","namespace":null,"reference":null,"digest":null,"tags":[],"from":null,"session_id":null,"artifact_type":null,"n":null,"last":null}}`
	if want := sorted(t, []byte(want)); string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, fact := range newFacts(&access.Question{}) {
		if len(fact.Values) > 0 {
			t.Errorf("%s: got %q, want an absent part to be no header", fact.Name, fact.Values)
		}
	}
}

// TestAQuestionThatCannotBeWrittenDenies has claims that no JSON holds.
func TestAQuestionThatCannotBeWrittenDenies(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	a := setup{global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": e.hook(t, "guard", 200, nil)}}.build(t)
	for _, claim := range []any{math.NaN(), func() {}, make(chan int)} {
		q := full(t)
		q.Identity.OIDC.Claims = map[string]any{"odd": claim}
		if got := a.Authorize(t.Context(), &q); got.Allowed || got.Stage != access.StageWebhook {
			t.Errorf("claim %v: got %q, want it denied", fmt.Sprintf("%T", claim), told(got))
		}
	}
	if len(e.questions()) != 0 {
		t.Error("the webhook was asked something")
	}
}
