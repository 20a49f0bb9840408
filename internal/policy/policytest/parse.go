package policytest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/spelling"
	"github.com/sreg-project/sreg/internal/timespan"
)

// stages are those that a case may name.
var stages = []string{string(access.StageGlobal), string(access.StageRepository), string(access.StageWebhook), string(access.StageNone)}

// ParseSuite reads a file of cases, or returns all that is wrong with it.
func ParseSuite(content []byte) (*Suite, []Mistake) {
	root, mistakes := parse(content)
	if mistakes != nil {
		return nil, mistakes
	}
	p := &parser{identities: map[string]access.Identity{}, named: map[string]int{}}
	if len(root.Pairs) == 0 && root.Kind == document.Mapping {
		return nil, []Mistake{{Line: 1, Column: 1, Message: "the file is empty, want cases or keep"}}
	}
	var cases, keep *document.Node // are read when the identities are known
	p.mapping(root, "", fields{
		"identities": p.namedIdentities,
		"cases":      func(n *document.Node, _ string) { cases = n },
		"keep":       func(n *document.Node, _ string) { keep = n },
	})
	if cases != nil {
		p.list(cases, "cases", p.accessCase)
	}
	if keep != nil {
		p.list(keep, "keep", p.keepCase)
	}
	if len(p.mistakes) > 0 {
		slices.SortStableFunc(p.mistakes, func(a, b Mistake) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, p.mistakes
	}
	if len(p.suite.Cases)+len(p.suite.Keep) == 0 {
		return nil, []Mistake{{Line: root.At.Line, Column: root.At.Column, Message: "no case, want cases or keep"}}
	}
	return &p.suite, nil
}

// ParseIdentity reads an identity alone, as a file of cases writes it, in YAML or JSON.
func ParseIdentity(content []byte) (access.Identity, []Mistake) {
	root, mistakes := parse(content)
	if mistakes != nil {
		return access.Identity{}, mistakes
	}
	p := &parser{}
	i := p.identity(root, "")
	return i, p.mistakes
}

// ParseRequest reads a request from texts, as a command line gives them: the keys are those of a file of
// cases.
func ParseRequest(values map[string]string) (access.Request, []Mistake) {
	n := &document.Node{Kind: document.Mapping}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if text := values[key]; text != "" {
			n.Pairs = append(n.Pairs, document.Pair{Key: key, Value: &document.Node{Kind: document.Scalar, Value: text, Text: text}})
		}
	}
	p := &parser{}
	r := p.request(n, "")
	return r, p.mistakes
}

func parse(content []byte) (*document.Node, []Mistake) {
	root, err := document.ParseYAML(content, limits)
	if err == nil {
		return root, nil
	}
	r, at := reader{}, document.Position{}
	if syntax := (*document.SyntaxError)(nil); errors.As(err, &syntax) {
		at = syntax.At
	}
	r.report(at, "", err.Error())
	return nil, r.mistakes
}

// parser makes cases of the nodes of one file.
type parser struct {
	reader
	suite      Suite
	identities map[string]access.Identity // that cases may name
	named      map[string]int             // in which line each case got its name
}

func (p *parser) namedIdentities(n *document.Node, key string) {
	if n.Kind != document.Mapping {
		p.mismatch(n, key, "a mapping of names to identities")
		return
	}
	for _, named := range n.Unique(key, p.report) {
		p.identities[named.Key] = p.identity(named.Value, document.Join(key, named.Key))
	}
}

func (p *parser) accessCase(n *document.Node, key string) {
	c := Case{Line: n.At.Line}
	p.unique(n, "cases", key)
	p.mapping(n, key, fields{
		"name":     p.textInto(&c.Name),
		"identity": func(n *document.Node, key string) { c.Identity = p.identityOrName(n, key) },
		"request":  func(n *document.Node, key string) { c.Request = p.request(n, key) },
		"expect":   func(n *document.Node, key string) { c.Allow = p.word(n, key, "allow", "deny") == "allow" },
		"stage":    func(n *document.Node, key string) { c.Stage = access.Stage(p.word(n, key, stages...)) },
		"rule":     p.textInto(&c.Rule),
		"webhook": func(n *document.Node, key string) {
			c.Webhook = Answer(p.word(n, key, string(AnswerAllow), string(AnswerDeny), string(AnswerError)))
		},
	}, "name", "request", "expect")
	p.suite.Cases = append(p.suite.Cases, c)
}

// unique reports a case that has the name of another one in its list.
func (p *parser) unique(n *document.Node, list, key string) {
	for _, pair := range n.Pairs {
		if pair.Key != "name" || pair.Value.Text == "" {
			continue
		}
		named := document.Join(list, pair.Value.Text)
		if first, twice := p.named[named]; twice {
			p.report(pair.Value.At, document.Join(key, "name"), fmt.Sprintf("given twice, first in line %d", first))
			continue
		}
		p.named[named] = pair.Value.At.Line
	}
}

func (p *parser) identityOrName(n *document.Node, key string) access.Identity {
	if n.Kind != document.Scalar || n.Null() {
		return p.identity(n, key)
	}
	known, ok := p.identities[n.Text]
	if !ok {
		p.report(n.At, key, "no such name among the identities of the file"+spelling.Hint(n.Text, slices.Sorted(maps.Keys(p.identities))))
	}
	return known
}

func (p *parser) identity(n *document.Node, key string) access.Identity {
	var i access.Identity
	if n.Null() {
		return i
	}
	p.mapping(n, key, fields{
		"id":          p.textInto(&i.ID),
		"username":    p.textInto(&i.Username),
		"groups":      p.textsInto(&i.Groups),
		"client_ip":   parsed(&p.reader, parseAddress, &i.ClientIP),
		"certificate": func(n *document.Node, key string) { i.Certificate = p.certificate(n, key) },
		"oidc":        func(n *document.Node, key string) { i.OIDC = p.oidc(n, key) },
	})
	if i.ID == "" {
		i.ID = signInOf(i)
	}
	return i
}

func parseAddress(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return address, fmt.Errorf("want an address such as 10.0.0.1, got %s", document.Quote(text))
	}
	return address, nil
}

// signInOf is the id that authentication would give.
func signInOf(i access.Identity) string {
	if i.OIDC == nil {
		return i.Username
	}
	if i.OIDC.Subject == "" {
		return ""
	}
	return i.OIDC.Provider + "/" + i.OIDC.Subject
}

func (p *parser) certificate(n *document.Node, key string) access.Certificate {
	// A certificate that was verified always has one.
	c := access.Certificate{Fingerprint: strings.Repeat("0", 64)}
	p.mapping(n, key, fields{
		"common_names":  p.textsInto(&c.CommonNames),
		"organizations": p.textsInto(&c.Organizations),
		"dns_names":     p.textsInto(&c.DNSNames),
		"emails":        p.textsInto(&c.Emails),
		"uris":          p.textsInto(&c.URIs),
		"ips":           p.textsInto(&c.IPs),
		"serial":        p.textInto(&c.Serial),
		"fingerprint":   p.textInto(&c.Fingerprint),
	})
	return c
}

func (p *parser) oidc(n *document.Node, key string) *access.OIDC {
	var o access.OIDC
	p.mapping(n, key, fields{
		"provider_name": p.textInto(&o.Provider),
		"subject":       p.textInto(&o.Subject),
		"claims":        func(n *document.Node, key string) { o.Claims = p.object(n, key) },
	}, "provider_name")
	if subject, ok := o.Claims["sub"].(string); ok && o.Subject == "" {
		o.Subject = subject
	}
	return &o
}

func (p *parser) request(n *document.Node, key string) access.Request {
	var r access.Request
	var tag oci.Tag
	p.mapping(n, key, fields{
		"action":    func(n *document.Node, key string) { r.Action = p.action(n, key) },
		"namespace": parsed(&p.reader, oci.ParseName, &r.Namespace),
		"reference": parsed(&p.reader, oci.ParseReference, &r.Reference),
		"tag":       parsed(&p.reader, oci.ParseTag, &tag),
		"digest":    parsed(&p.reader, oci.ParseDigest, &r.Digest),
		"tags": func(n *document.Node, key string) {
			p.list(n, key, func(n *document.Node, key string) {
				var t oci.Tag
				parsed(&p.reader, oci.ParseTag, &t)(n, key)
				r.Tags = append(r.Tags, t)
			})
		},
		"from":          parsed(&p.reader, oci.ParseName, &r.From),
		"session_id":    p.textInto(&r.SessionID),
		"artifact_type": p.textInto(&r.ArtifactType),
		"n":             func(n *document.Node, key string) { r.N, r.HasN = int(p.number(n, key)), true },
		"last":          p.textInto(&r.Last),
	}, "action")
	if r.Reference.IsZero() {
		r.Reference.Tag = tag
	} else if !tag.IsZero() {
		p.report(n.At, document.Join(key, "tag"), "given beside reference, want one of them")
	}
	if r.Digest.IsZero() {
		r.Digest = r.Reference.Digest // as the server reads it from the path
	}
	if problem := complete(&r); problem != "" {
		p.report(n.At, key, problem)
	}
	return r
}

// action reads an action that policies decide about.
func (p *parser) action(n *document.Node, key string) access.Action {
	if policy.NeverAsked(access.Action(n.Text)) {
		p.report(n.At, key, "no policy is asked about "+n.Text)
		return ""
	}
	if meant := policy.MeantActions(n.Text); meant != "" && n.Kind == document.Scalar && !slices.Contains(policy.ActionNames(), n.Text) {
		p.report(n.At, key, "unknown action "+document.Quote(n.Text)+": "+meant)
		return ""
	}
	return access.Action(p.word(n, key, policy.ActionNames()...))
}

// complete fills in what the server would. The problem is a namespace that is missing, or that the action
// does not have.
func complete(r *access.Request) (problem string) {
	switch {
	case policy.OneNamespace(r.Action) && r.Namespace.IsZero():
		return string(r.Action) + " wants a namespace"
	case policy.AllNamespaces(r.Action) && !r.Namespace.IsZero():
		return string(r.Action) + " has no namespace"
	}
	if (r.Action == access.PutManifest || r.Action == access.DeleteManifest) && len(r.Tags) == 0 && !r.Reference.Tag.IsZero() {
		r.Tags = []oci.Tag{r.Reference.Tag}
	}
	return ""
}

func (p *parser) keepCase(n *document.Node, key string) {
	c := KeepCase{Line: n.At.Line}
	p.unique(n, "keep", key)
	var now int64
	var images, stays *document.Node // are read when the time is known
	p.mapping(n, key, fields{
		"name":       p.textInto(&c.Name),
		"namespace":  parsed(&p.reader, oci.ParseName, &c.Namespace),
		"repository": p.textInto(&c.Repository),
		"rules":      func(n *document.Node, key string) { c.Rules = p.rules(n, key) },
		"now":        func(n *document.Node, key string) { now = p.time(n, key, 0).Unix() },
		"images":     func(n *document.Node, _ string) { images = n },
		"stays":      func(n *document.Node, _ string) { stays = n },
	}, "name", "now", "images", "stays")
	if !c.Namespace.IsZero() && c.Repository != "" {
		p.report(n.At, document.Join(key, "repository"), "given beside namespace, want one of them")
	}
	c.Now = time.Unix(now, 0).UTC()
	names := map[string]bool{}
	if images != nil {
		p.list(images, document.Join(key, "images"), func(n *document.Node, key string) {
			image := p.image(n, key, now)
			switch {
			case image.Name == "":
				p.report(n.At, key, "want a name for an image without a tag")
			case names[image.Name]:
				p.report(n.At, key, "the name "+document.Quote(image.Name)+" is taken")
			default:
				names[image.Name] = true
			}
			c.Images = append(c.Images, image)
		})
	}
	if stays != nil {
		p.list(stays, document.Join(key, "stays"), func(n *document.Node, key string) {
			name, ok := p.text(n, key)
			if ok && images != nil && !names[name] {
				p.report(n.At, key, "no such image"+spelling.Hint(name, slices.Sorted(maps.Keys(names))))
			}
			c.Stays = append(c.Stays, name)
		})
	}
	p.suite.Keep = append(p.suite.Keep, c)
}

func (p *parser) rules(n *document.Node, key string) []policy.RuleConfig {
	rules := []policy.RuleConfig{}
	p.list(n, key, func(n *document.Node, key string) {
		var r policy.RuleConfig
		if n.Kind == document.Scalar {
			r.Expr, _ = p.text(n, key)
		} else {
			p.mapping(n, key, fields{"name": p.textInto(&r.Name), "expr": p.textInto(&r.Expr)}, "expr")
		}
		rules = append(rules, r)
	})
	return rules
}

func (p *parser) image(n *document.Node, key string, now int64) NamedImage {
	var i NamedImage
	p.mapping(n, key, fields{
		"name": p.textInto(&i.Name),
		"tag": func(n *document.Node, key string) {
			if !n.Null() {
				i.Tag, _ = p.text(n, key)
			}
		},
		"pushed_at": func(n *document.Node, key string) {
			at := p.time(n, key, now)
			i.PushedAt, i.PushedNanos = at.Unix(), int64(at.Nanosecond())
		},
		"last_pulled_at": func(n *document.Node, key string) { i.LastPulledAt = p.time(n, key, now).Unix() },
		"size":           func(n *document.Node, key string) { i.Size = p.number(n, key) },
		"media_type":     p.textInto(&i.MediaType),
		"platforms":      p.textsInto(&i.Platforms),
		"annotations":    func(n *document.Node, key string) { i.Annotations = p.textMap(n, key) },
	}, "pushed_at")
	if i.Name == "" {
		i.Name = i.Tag
	}
	return i
}

// time reads seconds since the epoch, a date, or, if now is not 0, a duration before now such as -3d.
func (p *parser) time(n *document.Node, key string, now int64) time.Time {
	none := time.Unix(0, 0)
	text, ok := p.text(n, key)
	if !ok {
		return none
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 {
		return time.Unix(seconds, 0)
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	if d, err := timespan.Parse(text); err == nil && d <= 0 && now > 0 {
		return time.Unix(now, 0).Add(d)
	}
	p.mismatch(n, key, "seconds since the epoch, a date such as 2026-01-31T12:00:00Z, or a time before now such as -3d")
	return none
}
