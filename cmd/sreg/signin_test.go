package main_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests of this file are a matrix: each real client, signing in by each way. What a client cannot do
// is a line with the reason in its test; docs/authentication.md shows the whole table.

// client is a program that pushes and pulls images. Its methods return what the program wrote, and an error
// if it failed.
type client struct {
	// named says that loopback addresses are special to it, so that TLS needs a name.
	named bool
	// cannot is why it does not go a way.
	cannot map[string]string
	// noStrangers is why it does not pull anonymously where there is no token service.
	noStrangers string
	// login is its command for that; nil where it is told each time who asks.
	login func(t *testing.T, s *site, who login) (string, error)
	// seed makes what push needs to find there; nil where it needs nothing.
	seed func(t *testing.T, s *site, ref string)
	// push makes an image and pushes it.
	push func(t *testing.T, s *site, who login, ref string) (string, error)
	// pull gets from the registry what push pushed.
	pull func(t *testing.T, s *site, who login, ref string) (string, error)
}

// The ways to sign in.
const (
	byPassword         = "a password"
	byPasswordTLS      = "a password over TLS"
	byOIDC             = "an OIDC token as password"
	byPasswordNoTokens = "a password, the token service off"
	byOIDCNoTokens     = "an OIDC token as password, the token service off"
	byCertificate      = "a client certificate"
)

// way is one way to sign in.
type way struct {
	name string
	site siteOptions
	// good may do everything, wrong is nobody, powerless is somebody who may do nothing.
	good, wrong, powerless func(t *testing.T, s *site) login
	// methods must have accepted good; others must not.
	methods []string
}

func ways() []way {
	somebody := func(*testing.T, *site) login { return alice }
	wrongPassword := func(*testing.T, *site) login { return login{user: "alice", password: "wrong horse"} }
	powerless := func(*testing.T, *site) login { return mallory }
	workflow := func(t *testing.T, s *site) login { return s.ci.workflow(t, "acme") }
	otherWorkflow := func(t *testing.T, s *site) login { return s.ci.workflow(t, "evil") }
	forged := func(t *testing.T, s *site) login {
		forger := newProvider(t)
		forger.url = s.ci.url
		return forger.workflow(t, "acme")
	}
	builder := func(t *testing.T, s *site) login { return s.certificate(t, "builder") }
	guest := func(t *testing.T, s *site) login { return s.certificate(t, "guest") }
	nobody := func(*testing.T, *site) login { return login{} }
	return []way{
		{byPassword, siteOptions{}, somebody, wrongPassword, powerless, []string{"basic", "token"}},
		{byPasswordTLS, siteOptions{TLS: true}, somebody, wrongPassword, powerless, []string{"basic", "token"}},
		{byOIDC, siteOptions{}, workflow, forged, otherWorkflow, []string{"oidc", "token"}},
		{byPasswordNoTokens, siteOptions{NoTokens: true}, somebody, wrongPassword, powerless, []string{"basic"}},
		{byOIDCNoTokens, siteOptions{NoTokens: true}, workflow, forged, otherWorkflow, []string{"oidc"}},
		{byCertificate, siteOptions{TLS: true}, builder, nobody, guest, []string{"mtls"}},
	}
}

// signIns goes through a client's row of the matrix.
func signIns(t *testing.T, c client) {
	t.Helper()
	page := readPage(t, filepath.Join(repository, "docs", "authentication.md"))
	for _, w := range ways() {
		reason := c.cannot[w.name]
		for _, want := range []string{"| " + w.name + " |", reason, c.noStrangers} {
			if !strings.Contains(page, want) {
				t.Errorf("docs/authentication.md: want %q in the table of clients", want)
			}
		}
		if reason != "" {
			t.Logf("not tried: %s: %s", w.name, reason)
			continue
		}
		t.Run("with "+w.name, func(t *testing.T) {
			t.Parallel()
			w.site.Named = c.named
			signIn(t, c, w, newSite(t, w.site))
		})
	}
}

// signIn is one cell of the matrix.
func signIn(t *testing.T, c client, w way, s *site) {
	good, wrong, powerless := w.good(t, s), w.wrong(t, s), w.powerless(t, s)
	team, public := s.host+"/team/app:1", s.host+"/public/app:1"
	newTeam, newPublic := s.host+"/team/new:1", s.host+"/public/new:1" // a push that changes nothing may ask for nothing
	if c.seed != nil {
		for _, ref := range []string{team, public, newTeam, newPublic} {
			c.seed(t, s, ref)
		}
	}

	// Who may, pushes and pulls, by the methods that the way says and no other.
	before := s.accepted(t)
	works(t, "push as somebody who may", c.push, s, good, team)
	works(t, "pull as somebody who may", c.pull, s, good, team)
	for method, count := range s.accepted(t) {
		if got, want := count > before[method], slices.Contains(w.methods, method); got != want {
			t.Errorf("method %s accepted something: got %t, want %t", method, got, want)
		}
	}

	// Everybody pulls what is public, and pushes nothing.
	works(t, "push to a public namespace", c.push, s, good, public)
	if !w.site.NoTokens || c.noStrangers == "" {
		works(t, "anonymous pull of a public namespace", c.pull, s, login{}, public)
	}
	fails(t, "anonymous push to a public namespace", c.push, s, login{}, newPublic, needsLogin)
	fails(t, "anonymous pull of another namespace", c.pull, s, login{}, team, needsLogin)

	// Nor does who signs in wrongly, or is somebody else.
	fails(t, "push with a wrong credential", c.push, s, wrong, newTeam, needsLogin)
	fails(t, "push as somebody who may not", c.push, s, powerless, newTeam, denied)
	fails(t, "pull as somebody who may not", c.pull, s, powerless, team, denied)
	if c.login != nil && good.user != "" {
		asked := func(t *testing.T, s *site, who login, _ string) (string, error) { return c.login(t, s, who) }
		works(t, "login", asked, s, good, "")
		works(t, "login as somebody who may nothing", asked, s, powerless, "")
		fails(t, "login with a wrong credential", asked, s, wrong, "", needsLogin)
	}
}

// What clients say, each in its words, when the registry has answered 401 and 403.
var (
	needsLogin = regexp.MustCompile(`(?i)unauthorized|authentication required|authorization failed|no basic auth|basic credential not found|invalid username/password|\b401\b`)
	denied     = regexp.MustCompile(`(?i)denied|forbidden|\b403\b`)
)

type act = func(t *testing.T, s *site, who login, ref string) (string, error)

func works(t *testing.T, what string, do act, s *site, who login, ref string) {
	t.Helper()
	if out, err := do(t, s, who, ref); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
}

func fails(t *testing.T, what string, do act, s *site, who login, ref string, says *regexp.Regexp) {
	t.Helper()
	switch out, err := do(t, s, who, ref); {
	case err == nil:
		t.Errorf("%s: it worked\n%s", what, out)
	case !says.MatchString(out):
		t.Errorf("%s: %v, want that it says %s\n%s", what, err, says, out)
	case strings.Contains(out, "Retrying"): // as docker does for almost a minute with what it takes for an outage
		t.Errorf("%s: %v, want that it gives up at once\n%s", what, err, out)
	}
}

// steps runs programs until one fails.
func steps(cmds ...*exec.Cmd) (string, error) {
	var all strings.Builder
	for _, cmd := range cmds {
		out, err := cmd.CombinedOutput()
		all.WriteString("$ " + strings.Join(cmd.Args[:min(4, len(cmd.Args))], " ") + "\n")
		all.Write(out)
		if err != nil {
			return all.String(), err
		}
	}
	return all.String(), nil
}
