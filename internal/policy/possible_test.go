package policy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

func TestWhatIsNotKnownMayDecide(t *testing.T) {
	t.Parallel()
	const address = "identity.client_ip.in_cidr('10.0.0.0/8')"
	alice := access.Identity{ID: "alice", Username: "alice", Groups: []string{"dev"}}
	token := access.Identity{OIDC: &access.OIDC{Provider: "ci"}}
	unknown := append(CertificateWords(), "identity.client_ip", "identity.oidc.claims", "identity.oidc.subject")
	for _, tt := range []struct {
		config   Config
		identity access.Identity
		want     string
	}{
		{Config{Default: "deny", Rules: rules("'dev' in identity.groups")}, alice, "yes [global/1] []"},
		{Config{Default: "deny", Rules: rules("'ops' in identity.groups")}, alice, "no [] []"},
		{Config{Default: "deny", Rules: rules(address)}, alice, "depends [global/1] [identity.client_ip]"},
		{Config{Default: "deny", Rules: rules("'dev' in identity.groups && " + address)}, alice, "depends [global/1] [identity.client_ip]"},
		{Config{Default: "deny", Rules: rules("'ops' in identity.groups && " + address)}, alice, "no [] []"},
		{Config{Default: "deny", Rules: rules("'dev' in identity.groups || " + address)}, alice, "yes [global/1] []"},
		{Config{Default: "deny", Rules: rules(address, "'dev' in identity.groups")}, alice, "yes [global/2] []"},
		{Config{Default: "deny", OnError: "deny", Rules: rules(address, "'dev' in identity.groups")}, alice, "depends [global/1 global/2] [identity.client_ip]"},
		{Config{Default: "deny", OnError: "deny", Rules: rules("identity.oidc.claims.a == 'b'", "true")}, alice, "no [global/1] []"},
		{Config{Default: "deny", OnError: "deny", Rules: rules(address, "identity.oidc.claims.a == 'b'")}, alice, "depends [global/1 global/2] [identity.client_ip]"},
		{Config{Default: "deny", Rules: rules("identity.oidc.claims.a == 'b'", "true")}, alice, "yes [global/2] []"},
		{Config{Default: "allow", Rules: rules(address, "true")}, alice, "no [global/2] []"},
		{Config{Default: "allow", Rules: rules(address)}, alice, "depends [global/1] [identity.client_ip]"},
		{Config{Default: "allow", Rules: rules("'ops' in identity.groups")}, alice, "yes [] []"},
		{Config{Default: "deny", Rules: rules("identity.oidc != null && identity.oidc.provider_name == 'ci' && identity.oidc.claims['repository'] == 'acme/app'")}, token, "depends [global/1] [identity.oidc.claims]"},
		{Config{Default: "deny", Rules: rules("identity.oidc != null && identity.oidc.provider_name == 'other'")}, token, "no [] []"},
		{Config{Default: "deny", Rules: rules("has(identity.oidc.claims.email) && identity.oidc.claims.groups.exists(g, g == 'x') && identity.oidc.subject.startsWith('a')")}, token, "depends [global/1] [identity.oidc.claims identity.oidc.subject]"},
		{Config{Default: "deny", Rules: rules("has(identity.oidc.subject)")}, token, "depends [global/1] [identity.oidc.subject]"},
		{Config{Default: "deny", Rules: rules("identity.certificate.common_names.contains('robot')")}, alice, "depends [global/1] [identity.certificate.common_names]"},
		{Config{Default: "deny", Rules: rules("!has(identity.certificate.serial)", "true")}, alice, "yes [global/2] []"},
		{Config{Default: "deny", Rules: rules("request.tags.all(t, t != 'prod')")}, alice, "yes [global/1] []"},
	} {
		chain := &Chain{Global: compile(t, Global, tt.config)}
		answers := chain.Possible(Question{Identity: tt.identity, Request: access.Request{Action: access.GetBlob}}, unknown)
		if got := fmt.Sprint(answers[0].Answer, " ", answers[0].Rules, " ", answers[0].On); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.config, got, tt.want)
		}
	}
}

// TestWhatIsKnownIsDecidedAlike: where nothing is unknown the answer is that of Decide.
func TestWhatIsKnownIsDecidedAlike(t *testing.T) {
	t.Parallel()
	hub, err := oci.ParseName("hub")
	must(t, err)
	for _, onError := range []string{"skip", "deny"} {
		for _, byDefault := range []string{"allow", "deny"} {
			for _, expr := range []string{"true", "false", "identity.oidc.claims.a == 'b'", "identity.username == 'alice'"} {
				chain := &Chain{
					Global:       compile(t, Global, Config{Default: "deny", Rules: rules("identity.username != null")}),
					Repositories: oci.Prefixes[*Policy]{hub: compile(t, "hub", Config{Default: byDefault, OnError: onError, Rules: rules(expr, "request.action == 'put-manifest'")})},
				}
				for _, name := range []string{"alice", "bob", ""} {
					q := Question{Identity: access.Identity{Username: name}, Request: access.Request{Action: access.PutManifest, Namespace: hub}}
					answers := chain.Possible(q, nil)
					if got, want := answers[len(answers)-1].Answer == Yes, chain.Decide(q).Allowed; got != want {
						t.Errorf("%s of %q with default %s and on_error %s: got %v, want %v", expr, name, byDefault, onError, got, want)
					}
				}
			}
		}
	}
}

func TestWhatRulesSpeakOf(t *testing.T) {
	t.Parallel()
	chain := &Chain{Global: compile(t, Global, Config{Rules: rules(
		"identity.username == 'alice' || identity.id in ['bob', 'carol']",
		"'dev' in identity.groups || identity.groups.contains('ops') || identity.groups.exists(g, g == 'qa')",
		"request.action in ['get-blob'] || request.action.startsWith('delete-') || request.action.contains(identity.username)",
	)})}
	got := chain.Named()
	want := Named{Actions: []string{"delete-blob", "delete-manifest", "get-blob"}, Users: []string{"alice", "bob", "carol"}, Groups: []string{"dev", "ops", "qa"}}
	if !slices.Equal(got.Actions, want.Actions) || !slices.Equal(got.Users, want.Users) || !slices.Equal(got.Groups, want.Groups) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
