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
