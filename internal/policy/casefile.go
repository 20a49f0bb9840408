package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/spelling"
)

// ParseSuite reads a test file, or tells all that is wrong with it.
func ParseSuite(content []byte) (*Suite, []FileMistake) {
	root, mistake := parseYAML(content)
	if mistake != nil {
		return nil, []FileMistake{*mistake}
	}
	f := &fileReader{identities: map[string]*yaml.Node{}}
	if root == nil {
		return nil, []FileMistake{{Line: 1, Column: 1, Message: "the file is empty, want cases or keep"}}
	}
	var cases, keep *yaml.Node // are read when the identities are known
	f.mapping(root, "", reads{
		"identities": f.named,
		"cases":      func(n *yaml.Node, _ string) { cases = n },
		"keep":       func(n *yaml.Node, _ string) { keep = n },
	})
	if cases != nil {
		f.list(cases, "cases", f.readCase)
	}
	if keep != nil {
		f.list(keep, "keep", f.readKeep)
	}
	if len(f.mistakes) > 0 {
		slices.SortStableFunc(f.mistakes, func(a, b FileMistake) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, f.mistakes
	}
	if len(f.suite.Cases)+len(f.suite.Keep) == 0 {
		return nil, []FileMistake{{Line: root.Line, Column: root.Column, Message: "no case, want cases or keep"}}
	}
	return &f.suite, nil
}

// ParseIdentity reads an identity alone, as a test file writes it, in YAML or JSON.
func ParseIdentity(content []byte) (access.Identity, []FileMistake) {
	root, mistake := parseYAML(content)
	if mistake != nil {
		return access.Identity{}, []FileMistake{*mistake}
	}
	if root == nil {
		return access.Identity{}, nil
	}
	f := &fileReader{}
	i := f.identity(root, "")
	return i, f.mistakes
}

type fileReader struct {
	caseReader
	suite      Suite
	identities map[string]*yaml.Node
}

// named remembers the identities that cases may name.
func (f *fileReader) named(n *yaml.Node, key string) {
	n, ok := f.enter(n, key)
	if !ok {
		return
	}
	defer f.leave()
	if n.Kind != yaml.MappingNode {
		f.report(n, key, "want a mapping of names to identities, got "+showNode(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if f.identities[name.Value] != nil {
			f.report(name, joinKey(key, name.Value), "given twice")
		}
		f.identity(n.Content[i+1], joinKey(key, name.Value)) // mistakes are told here, once
		f.identities[name.Value] = n.Content[i+1]
	}
}

func (f *fileReader) readCase(n *yaml.Node, key string) {
	c := Case{Line: n.Line}
	f.mapping(n, key, reads{
		"name":     f.textInto(&c.Name),
		"identity": func(n *yaml.Node, key string) { c.Identity = f.identityOrName(n, key) },
		"request":  func(n *yaml.Node, key string) { c.Request = f.request(n, key) },
		"expect":   func(n *yaml.Node, key string) { c.Allow = f.word(n, key, "allow", "deny") == "allow" },
		"stage":    func(n *yaml.Node, key string) { c.Stage = access.Stage(f.word(n, key, stages...)) },
		"rule":     f.textInto(&c.Rule),
		"webhook": func(n *yaml.Node, key string) {
			c.Webhook = Answer(f.word(n, key, string(AnswerAllow), string(AnswerDeny), string(AnswerError)))
		},
	}, "name", "request", "expect")
	f.suite.Cases = append(f.suite.Cases, c)
}

func (f *fileReader) identityOrName(n *yaml.Node, key string) access.Identity {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return f.identity(n, key)
	}
	known := f.identities[n.Value]
	if known == nil {
		names := slices.Sorted(maps.Keys(f.identities))
		message := "no such name among the identities of the file"
		if near, ok := spelling.Nearest(n.Value, names); ok {
			message = "no such name among the identities of the file, did you mean " + near + "?"
		}
		f.report(n, key, message)
		return access.Identity{}
	}
	before := len(f.mistakes)
	identity := f.identity(known, key)
	f.mistakes = f.mistakes[:before] // told where it is named
	return identity
}

func (f *fileReader) identity(n *yaml.Node, key string) access.Identity {
	var i access.Identity
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return i
	}
	f.mapping(n, key, reads{
		"id":          f.textInto(&i.ID),
		"username":    f.textInto(&i.Username),
		"groups":      f.textsInto(&i.Groups),
		"client_ip":   parsed(&f.caseReader, parseAddress, &i.ClientIP),
		"certificate": func(n *yaml.Node, key string) { i.Certificate = f.certificate(n, key) },
		"oidc":        func(n *yaml.Node, key string) { i.OIDC = f.oidc(n, key) },
	})
	if i.ID == "" {
		i.ID = signInOf(i)
	}
	return i
}

func parseAddress(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return address, fmt.Errorf("want an address such as 10.0.0.1, got %s", showText(text))
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

func (f *fileReader) certificate(n *yaml.Node, key string) access.Certificate {
	// A certificate that was verified always has one.
	c := access.Certificate{Fingerprint: strings.Repeat("0", 64)}
	f.mapping(n, key, reads{
		"common_names":  f.textsInto(&c.CommonNames),
		"organizations": f.textsInto(&c.Organizations),
		"dns_names":     f.textsInto(&c.DNSNames),
		"emails":        f.textsInto(&c.Emails),
		"uris":          f.textsInto(&c.URIs),
		"ips":           f.textsInto(&c.IPs),
		"serial":        f.textInto(&c.Serial),
		"fingerprint":   f.textInto(&c.Fingerprint),
	})
	return c
}

func (f *fileReader) oidc(n *yaml.Node, key string) *access.OIDC {
	var o access.OIDC
	f.mapping(n, key, reads{
		"provider_name": f.textInto(&o.Provider),
		"subject":       f.textInto(&o.Subject),
		"claims": func(n *yaml.Node, key string) {
			claims, ok := f.anything(n, key).(map[string]any)
			if !ok && !f.gaveUp {
				f.report(n, key, "want a mapping, got "+showNode(n))
			}
			o.Claims = claims
		},
	}, "provider_name")
	if subject, ok := o.Claims["sub"].(string); ok && o.Subject == "" {
		o.Subject = subject
	}
	return &o
}

// ActionNames are the actions that a case may ask.
func ActionNames() []string {
	var names []string
	for _, a := range Actions() {
		names = append(names, string(a))
	}
	return names
}

func (f *fileReader) request(n *yaml.Node, key string) access.Request {
	r := access.Request{Method: "GET"}
	var tag oci.Tag
	f.mapping(n, key, reads{
		"action":    func(n *yaml.Node, key string) { r.Action = f.action(n, key) },
		"namespace": parsed(&f.caseReader, oci.ParseName, &r.Namespace),
		"reference": parsed(&f.caseReader, oci.ParseReference, &r.Reference),
		"tag":       parsed(&f.caseReader, oci.ParseTag, &tag),
		"digest":    parsed(&f.caseReader, oci.ParseDigest, &r.Digest),
		"tags": func(n *yaml.Node, key string) {
			f.list(n, key, func(n *yaml.Node, key string) {
				var t oci.Tag
				parsed(&f.caseReader, oci.ParseTag, &t)(n, key)
				r.Tags = append(r.Tags, t)
			})
		},
		"from":          parsed(&f.caseReader, oci.ParseName, &r.From),
		"session_id":    f.textInto(&r.SessionID),
		"artifact_type": f.textInto(&r.ArtifactType),
		"n":             func(n *yaml.Node, key string) { r.N, r.HasN = int(f.number(n, key)), true },
		"last":          f.textInto(&r.Last),
	}, "action")
	if r.Reference.IsZero() {
		r.Reference.Tag = tag
	} else if !tag.IsZero() {
		f.report(n, joinKey(key, "tag"), "given beside reference, want one of them")
	}
	if problem := complete(&r); problem != "" {
		f.report(n, key, problem)
	}
	return r
}

// action reads an action that policies decide about.
func (f *fileReader) action(n *yaml.Node, key string) access.Action {
	if NeverAsked(access.Action(n.Value)) {
		f.report(n, key, "no policy decides about "+n.Value)
		return ""
	}
	return access.Action(f.word(n, key, ActionNames()...))
}

// complete fills in what the server would, and says what a request of this action would have.
func complete(r *access.Request) string {
	switch {
	case slices.Contains(namespaced, r.Action) && r.Namespace.IsZero():
		return string(r.Action) + " wants a namespace"
	case slices.Contains(wide, r.Action) && !r.Namespace.IsZero():
		return string(r.Action) + " has no namespace"
	}
	if r.Action == access.PutManifest && len(r.Tags) == 0 && !r.Reference.Tag.IsZero() {
		r.Tags = []oci.Tag{r.Reference.Tag}
	}
	r.Method = methodOf(r.Action)
	return ""
}

func methodOf(action access.Action) string {
	switch action {
	case access.PutManifest, access.CompleteUpload:
		return "PUT"
	case access.DeleteManifest, access.DeleteBlob, access.CancelUpload:
		return "DELETE"
	case access.StartUpload, access.MountBlob, access.Restore:
		return "POST"
	case access.UpdateUpload:
		return "PATCH"
	}
	return "GET"
}

// NewRequest reads a request from texts, as a command line gives them: the keys of a test file.
func NewRequest(values map[string]string) (access.Request, []FileMistake) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
	for _, key := range []string{"action", "namespace", "reference", "digest", "from"} {
		if text := values[key]; text != "" {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key, Tag: "!!str"},
				&yaml.Node{Kind: yaml.ScalarNode, Value: text, Tag: "!!str", Style: yaml.DoubleQuotedStyle})
		}
	}
	f := &fileReader{}
	r := f.request(n, "")
	return r, f.mistakes
}

func (f *fileReader) readKeep(n *yaml.Node, key string) {
	c := KeepCase{Line: n.Line}
	now := epoch{}
	var images *yaml.Node
	var stays *yaml.Node
	f.mapping(n, key, reads{
		"name":       f.textInto(&c.Name),
		"namespace":  parsed(&f.caseReader, oci.ParseName, &c.Namespace),
		"repository": f.textInto(&c.Repository),
		"rules":      func(n *yaml.Node, key string) { c.Rules = f.rules(n, key) },
		"now":        func(n *yaml.Node, key string) { now.read(f, n, key) },
		"images":     func(n *yaml.Node, _ string) { images = n },
		"stays": func(n *yaml.Node, key string) {
			stays = n
			f.textsInto(&c.Stays)(n, key)
		},
	}, "name", "now", "images", "stays")
	if !c.Namespace.IsZero() && c.Repository != "" {
		f.report(n, joinKey(key, "repository"), "given beside namespace, want one of them")
	}
	c.Now = time.Unix(now.seconds, 0).UTC()
	if images != nil {
		f.list(images, joinKey(key, "images"), func(n *yaml.Node, key string) {
			c.Images = append(c.Images, f.image(n, key, now.seconds))
		})
		f.checkNames(images, stays, key, c)
	}
	f.suite.Keep = append(f.suite.Keep, c)
}

func (f *fileReader) rules(n *yaml.Node, key string) []RuleConfig {
	rules := []RuleConfig{}
	f.list(n, key, func(n *yaml.Node, key string) {
		var r RuleConfig
		if n.Kind == yaml.ScalarNode {
			r.Expr = f.text(n, key)
		} else {
			f.mapping(n, key, reads{"name": f.textInto(&r.Name), "expr": f.textInto(&r.Expr)}, "expr")
		}
		rules = append(rules, r)
	})
	return rules
}

func (f *fileReader) image(n *yaml.Node, key string, now int64) NamedImage {
	var i NamedImage
	var pushed, pulled epoch
	f.mapping(n, key, reads{
		"name": f.textInto(&i.Name),
		"tag": func(n *yaml.Node, key string) {
			if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!null" {
				i.Tag = f.text(n, key)
			}
		},
		"pushed_at":      func(n *yaml.Node, key string) { pushed.now = now; pushed.read(f, n, key) },
		"last_pulled_at": func(n *yaml.Node, key string) { pulled.now = now; pulled.read(f, n, key) },
		"size":           func(n *yaml.Node, key string) { i.Size = f.number(n, key) },
		"media_type":     f.textInto(&i.MediaType),
		"platforms":      f.textsInto(&i.Platforms),
		"annotations": func(n *yaml.Node, key string) {
			i.Annotations = map[string]string{}
			values, ok := f.anything(n, key).(map[string]any)
			if !ok && !f.gaveUp {
				f.report(n, key, "want a mapping, got "+showNode(n))
			}
			for name, v := range values {
				i.Annotations[name] = fmt.Sprint(v)
			}
		},
	}, "pushed_at")
	i.PushedAt, i.LastPulledAt = pushed.seconds, pulled.seconds
	if i.Name == "" {
		i.Name = i.Tag
	}
	return i
}

// checkNames sees that every image has a name of its own, and that what must stay is there.
func (f *fileReader) checkNames(images, stays *yaml.Node, key string, c KeepCase) {
	names := map[string]bool{}
	for i, image := range c.Images {
		at := fmt.Sprintf("%s.images[%d]", key, i)
		switch {
		case image.Name == "":
			f.report(images, at, "want a name for an image without a tag")
		case names[image.Name]:
			f.report(images, at, "the name "+showText(image.Name)+" is taken")
		default:
			names[image.Name] = true
		}
	}
	for i, name := range c.Stays {
		if !names[name] {
			message := "no such image"
			if near, ok := spelling.Nearest(name, slices.Sorted(maps.Keys(names))); ok {
				message += ", did you mean " + near + "?"
			}
			f.report(stays, fmt.Sprintf("%s.stays[%d]", key, i), message)
		}
	}
}

// epoch is a time in a file: seconds since the epoch, a date, or a duration before now, as -72h.
type epoch struct {
	now, seconds int64
}

func (e *epoch) read(f *fileReader, n *yaml.Node, key string) {
	before := len(f.mistakes)
	text := f.text(n, key)
	if len(f.mistakes) > before || f.gaveUp {
		return
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 {
		e.seconds = seconds
		return
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			e.seconds = t.Unix()
			return
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d <= 0 && e.now > 0 {
		e.seconds = e.now + int64(d/time.Second)
		return
	}
	f.report(n, key, "want seconds since the epoch, a date such as 2026-01-31T12:00:00Z, or a time before now such as -72h, got "+showText(text))
}
