package snapshot_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// onlyOpsWritesProd is a rule that costs more than a rule may where a push has many tags, and its user many groups.
const onlyOpsWritesProd = "request.action == 'put-manifest' && request.tags.exists(t, identity.groups.all(a, identity.groups.all(b, a != 'ops' && b != 'ops')) && t == 'prod')"

// TestThreatPaddingOfARule: who makes a rule too expensive to evaluate does not get rid of it, whatever the policy says
// about rules that fail.
func TestThreatPaddingOfARule(t *testing.T) {
	t.Parallel()
	groups := make([]string, 60)
	for i := range groups {
		groups[i] = fmt.Sprintf("g%d", i)
	}
	padding := func(n int) string { return strings.Repeat("tag=pad&", n) }
	for _, onError := range []string{"", ", on_error: skip", ", on_error: deny"} {
		t.Run("default: allow"+onError, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				config: fmt.Sprintf("policy: {default: allow%s, rules: [{name: only ops writes prod, expr: %q}]}\n", onError, onlyOpsWritesProd),
				users:  user(t, "alice", groups...) + user(t, "root", "ops"),
			})
			image := w.pushImage(signIn("alice"), "app", "v1", "one")
			w.do(putImage(signIn("alice"), "app", image+"?tag=prod", "one")).is(t, http.StatusForbidden)
			w.do(putImage(signIn("alice"), "app", image+"?"+padding(31)+"tag=prod", "one")).is(t, http.StatusForbidden)
			w.do(putImage(signIn("alice"), "app", image+"?"+padding(900)+"tag=prod", "one")).is(t, http.StatusRequestURITooLong)
			w.get("/v2/app/manifests/prod", signIn("root")).is(t, http.StatusNotFound)
			w.do(putImage(signIn("root"), "app", image+"?"+padding(31)+"tag=prod", "one")).is(t, http.StatusCreated)
			if !strings.Contains(w.logs.String(), "cost limit") {
				t.Error("no line in the log says that a rule costs too much")
			}
		})
	}
}

// TestARuleThatFailsDeniesWhereRulesDeny: with default: allow a rule that fails is one that might have denied.
func TestARuleThatFailsDeniesWhereRulesDeny(t *testing.T) {
	t.Parallel()
	const fails = "identity.oidc.claims['actor'] == 'bot'"
	for policy, want := range map[string]int{
		"default: allow":                 http.StatusForbidden,
		"default: allow, on_error: deny": http.StatusForbidden,
		"default: allow, on_error: skip": http.StatusOK,
		"default: deny":                  http.StatusOK, // by the rule behind it
		"default: deny, on_error: skip":  http.StatusOK,
		"default: deny, on_error: deny":  http.StatusForbidden,
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			rules := fmt.Sprintf("[%q, %q]", fails, "identity.username == 'alice'")
			if strings.Contains(policy, "allow") {
				rules = fmt.Sprintf("[%q]", fails)
			}
			w := newWorld(t, setup{config: fmt.Sprintf("policy: {%s, rules: %s}\n", policy, rules), users: user(t, "alice")})
			w.get("/v2/_catalog", signIn("alice")).is(t, want)
		})
	}
}

// TestThreatTagsOfADigest: who may write and delete some tags finds no way to the others by the digest that carries them.
func TestThreatTagsOfADigest(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]string{
		"rules that allow": `
  rules:
    - identity.username == 'root'
    - "!(request.action in ['put-manifest', 'delete-manifest'])"
    - request.action in ['put-manifest', 'delete-manifest'] && request.tags.all(t, t.startsWith('dev-'))`,
		"rules that deny": `
  default: allow
  rules:
    - "identity.username != 'root' && request.tags.exists(t, !t.startsWith('dev-'))"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{config: "policy:" + policy + "\n", users: user(t, "ci") + user(t, "root")})
			remove := func(reference string) call {
				return call{method: "DELETE", path: "/v2/app/manifests/" + reference, auth: signIn("ci")}
			}
			image := w.pushImage(signIn("ci"), "app", "dev-1", "one")
			w.pushImage(signIn("root"), "app", "prod", "one")
			w.do(putImage(signIn("ci"), "app", "prod", "one")).is(t, http.StatusForbidden)
			w.do(putImage(signIn("ci"), "app", image+"?tag=prod", "one")).is(t, http.StatusForbidden)
			w.do(putImage(signIn("ci"), "app", image+"?tag=dev-2&tag=prod", "one")).is(t, http.StatusForbidden)
			w.do(remove("prod")).is(t, http.StatusForbidden)
			w.do(remove(image)).is(t, http.StatusForbidden)
			w.get("/v2/app/manifests/prod", signIn("root")).is(t, http.StatusOK)
			w.do(remove("dev-1")).is(t, http.StatusAccepted)
			w.do(remove(image)).is(t, http.StatusForbidden)
			w.do(call{method: "DELETE", path: "/v2/app/manifests/prod", auth: signIn("root")}).is(t, http.StatusAccepted)
			w.do(putImage(signIn("ci"), "app", image+"?tag=dev-2&tag=dev-3", "one")).is(t, http.StatusCreated)
			w.do(remove(image)).is(t, http.StatusAccepted)
			w.get("/v2/app/manifests/dev-2", signIn("root")).is(t, http.StatusNotFound)
			w.do(remove(image)).is(t, http.StatusNotFound)
		})
	}
}

// TestAManifestWithMoreTagsThanRulesLookAt: rules see all tags of a manifest, or it stays.
func TestAManifestWithMoreTagsThanRulesLookAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{
		config: "policy: {default: allow, rules: [\"identity.username != 'root' && request.tags.exists(t, t == 'prod')\"]}\n",
		users:  user(t, "ci") + user(t, "root"),
	})
	image := w.pushImage(signIn("ci"), "app", "dev-0", "one")
	for i := range 32 {
		var tags []string
		for j := range 32 {
			tags = append(tags, fmt.Sprintf("tag=dev-%d-%d", i, j))
		}
		w.do(putImage(signIn("ci"), "app", image+"?"+strings.Join(tags, "&"), "one")).is(t, http.StatusCreated)
	}
	remove := call{method: "DELETE", path: "/v2/app/manifests/" + image, auth: signIn("ci")}
	if r := w.do(remove).is(t, http.StatusForbidden); !strings.Contains(r.body, "delete its tags first") {
		t.Errorf("got %s, want what to do", r.body)
	}
	for j := range 32 {
		w.do(call{method: "DELETE", path: fmt.Sprintf("/v2/app/manifests/dev-7-%d", j), auth: signIn("ci")}).is(t, http.StatusAccepted)
	}
	w.do(remove).is(t, http.StatusAccepted)
}
