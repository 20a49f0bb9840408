package commands

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/users"
)

// policyWho is what sreg policy who was told.
type policyWho struct {
	from   source
	output format
}

func newPolicyWho(io IO) *cobra.Command {
	var opts policyWho
	cmd := &cobra.Command{
		Use:   "who ACTION [REPOSITORY[:TAG|@DIGEST]]",
		Short: "List who may do something",
		Long: "List who may do something by the policies of the config: who does not sign in, each user of\n" +
			"the config and of its users file, a user of each group and of no other, and who comes with a\n" +
			"token of each OIDC provider.\n\n" +
			"The answer is yes, no, or depends: then it says on what. Nobody knows here what a token\n" +
			"claims, from which address somebody comes, what a certificate says, and which tags go with a\n" +
			"manifest that is deleted by its digest. No webhook is asked." + exitCodes,
		Example: "  sreg policy who put-manifest web/site:prod\n" +
			"  sreg policy who delete-manifest team/app -c /etc/sreg/sreg.yaml\n" +
			"  sreg policy who list-catalog -o json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return &usageError{message: fmt.Sprintf("sreg policy who wants an action and a repository, got %s", counted(len(args), "argument")), hint: seeHelp(cmd)}
		},
		RunE: func(_ *cobra.Command, args []string) error { return runPolicyWho(io, opts, args) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return policy.ServedActionNames(), cobra.ShellCompDirectiveNoFileComp
			case 1:
				return fromConfig(io, &opts.from, repositoryNames)(cmd, args, word)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	opts.from.addConfigFlag(cmd)
	addOutputFlag(cmd, &opts.output)
	return cmd
}

// whoAnswer is what is printed.
type whoAnswer struct {
	Action  access.Action `json:"action"`
	Target  string        `json:"target,omitempty"`
	Webhook string        `json:"webhook,omitempty"` // that is asked then
	Who     []whoRow      `json:"who"`
}

// whoRow is what one of those may who could ask.
type whoRow struct {
	Kind    string           `json:"kind"` // anybody, user, group or token
	Name    string           `json:"name,omitempty"`
	Groups  []string         `json:"groups,omitempty"`
	May     policy.Certainty `json:"may"`
	By      string           `json:"by"`
	Depends []string         `json:"depends_on,omitempty"`
}

func runPolicyWho(io IO, opts policyWho, args []string) error {
	request, unknown, err := readWho(args)
	if err != nil {
		return err
	}
	loaded, err := loadPolicies(io, opts.from)
	if err != nil {
		return err
	}
	if err := loaded.requirePolicy(); err != nil {
		return err
	}
	known, err := loaded.users(io)
	if err != nil {
		return err
	}
	asking := who{loaded: loaded, request: request, unknown: append(unknown, "identity.client_ip")}
	if loaded.cfg.Server.AsksForCertificates() {
		asking.unknown = append(asking.unknown, policy.CertificateWords()...)
	}
	answer := whoAnswer{Action: request.Action, Target: policy.Target(request), Who: slices.Collect(asking.all(known, time.Now()))}
	if answer.Webhook = loaded.rules.Access.Webhook(request.Namespace); !slices.ContainsFunc(answer.Who, func(r whoRow) bool { return r.May != policy.No }) {
		answer.Webhook = ""
	}
	return answer.print(io, opts.output)
}

// readWho reads what is asked for, and which words of it are not known.
func readWho(args []string) (request access.Request, unknown []string, err error) {
	request.Action = access.Action(args[0])
	if !slices.Contains(policy.ActionNames(), args[0]) {
		return request, nil, unknownAction(args[0])
	}
	switch {
	case policy.AllNamespaces(request.Action) && len(args) > 1:
		return request, nil, &usageError{message: fmt.Sprintf("%s is not about a repository, got %q", request.Action, args[1]), hint: "leave it out"}
	case policy.OneNamespace(request.Action) && len(args) == 1:
		return request, nil, &usageError{message: fmt.Sprintf("%s of what?", request.Action), hint: "name a repository, as in team/app, team/app:v1 or team/app@sha256:..."}
	case len(args) == 1:
		return request, []string{"request.n", "request.last"}, nil
	}
	ref, err := parseStoreRef(args[1])
	if err != nil {
		return request, nil, err
	}
	if ref.Namespace.IsZero() {
		return request, nil, &usageError{message: fmt.Sprintf("%q names no repository", args[1]), hint: "write NAME@DIGEST"}
	}
	request.Namespace = ref.Namespace
	unknown = append(readTarget(&request, ref), "request.n", "request.last", "request.session_id", "request.artifact_type", "request.from")
	return request, unknown, nil
}

// readTarget sets what of the namespace is meant.
func readTarget(request *access.Request, ref storeRef) (unknown []string) {
	if !strings.HasSuffix(string(request.Action), "-manifest") {
		request.Digest = ref.Digest
		if ref.Digest.IsZero() {
			unknown = append(unknown, "request.digest")
		}
		return unknown
	}
	switch {
	case !ref.Digest.IsZero():
		request.Reference.Digest, request.Digest = ref.Digest, ref.Digest
	case !ref.Tag.IsZero():
		request.Reference.Tag = ref.Tag
	default:
		unknown = append(unknown, "request.reference", "request.digest")
	}
	switch {
	case request.Action == access.GetManifest: // it writes no tag
	case ref.Tag.IsZero():
		unknown = append(unknown, "request.tags")
	default:
		request.Tags = []oci.Tag{ref.Tag}
	}
	return unknown
}

// unknownAction says which action was likely meant.
func unknownAction(text string) error {
	if policy.NeverAsked(access.Action(text)) {
		return &usageError{message: "no policy is asked about " + text}
	}
	hint := policy.MeantActions(text)
	if hint == "" {
		hint = "it is one of " + strings.Join(policy.ServedActionNames(), ", ")
	}
	return &usageError{message: fmt.Sprintf("unknown action %q", text), hint: hint}
}

// who asks the policies for one after the other.
type who struct {
	loaded
	request access.Request
	unknown []string
}

// all are who could ask: nobody, users, groups, tokens. Each is asked when it comes to it.
func (w who) all(known map[string]users.User, now time.Time) iter.Seq[whoRow] {
	return func(yield func(whoRow) bool) {
		if !yield(w.ask(whoRow{Kind: "anybody"}, access.Identity{})) {
			return
		}
		named := w.rules.Access.Named()
		groups := named.Groups
		for _, name := range slices.Sorted(maps.Keys(known)) {
			user := known[name]
			row := whoRow{Kind: "user", Name: name, Groups: user.Groups}
			if user.Expired(now) {
				row.May, row.By = policy.No, "the user has expired"
			} else {
				row = w.ask(row, authn.IdentityOf(user))
			}
			if !yield(row) {
				return
			}
			groups = append(groups, user.Groups...)
		}
		// Without users in the config the rules tell whom to expect.
		for _, name := range named.Users {
			if len(known) == 0 && !yield(w.ask(whoRow{Kind: "user", Name: name}, access.Identity{ID: name, Username: name})) {
				return
			}
		}
		for row := range w.ofGroups(groups, known) {
			if !yield(row) {
				return
			}
		}
		for _, p := range w.cfg.Auth.OIDC {
			token := who{w.loaded, w.request, append(unknownOfToken(p.Complete()), w.unknown...)}
			if !yield(token.ask(whoRow{Kind: "token", Name: p.Name}, access.Identity{ID: p.Name, OIDC: &access.OIDC{Provider: p.Name}})) {
				return
			}
		}
	}
}

// unknownOfToken is what only the token of a provider tells.
func unknownOfToken(p authn.ProviderConfig) []string {
	unknown := []string{"identity.id", "identity.oidc.subject", "identity.oidc.claims"}
	if p.UsernameClaim != "" {
		unknown = append(unknown, "identity.username")
	}
	if p.GroupsClaim != "" {
		unknown = append(unknown, "identity.groups")
	}
	return unknown
}

// ofGroups asks for somebody of each group, whom no rule knows by name, and for somebody of none.
func (w who) ofGroups(groups []string, known map[string]users.User) iter.Seq[whoRow] {
	stranger := "somebody"
	for named := w.rules.Access.Named().Users; slices.Contains(named, stranger) || known[stranger].Name != ""; {
		stranger += "-else"
	}
	slices.Sort(groups)
	return func(yield func(whoRow) bool) {
		if !yield(w.ask(whoRow{Kind: "group"}, access.Identity{ID: stranger, Username: stranger})) {
			return
		}
		for _, g := range slices.Compact(groups) {
			if !yield(w.ask(whoRow{Kind: "group", Name: g}, access.Identity{ID: stranger, Username: stranger, Groups: []string{g}})) {
				return
			}
		}
	}
}

func (w who) ask(row whoRow, identity access.Identity) whoRow {
	answers := w.rules.Access.Possible(policy.Question{Identity: identity, Request: w.request}, w.unknown)
	if next, ok := policy.Following(w.request); ok {
		answers = append(answers, w.rules.Access.Possible(policy.Question{Identity: identity, Request: next}, w.unknown)...)
	}
	row.May = policy.Yes
	var by []string
	for _, a := range answers {
		switch a.Answer {
		case policy.No:
			row.May, row.By, row.Depends = policy.No, whyNot(a), nil
			return row
		case policy.Depends:
			row.May = policy.Depends
		}
		by = append(by, whyPossible(a))
		row.Depends = append(row.Depends, a.On...)
	}
	slices.Sort(row.Depends)
	row.Depends = slices.Compact(row.Depends)
	row.By = strings.Join(by, "; ")
	return row
}

func whyNot(a policy.Possible) string {
	switch {
	case a.Scope == "":
		return "no policy covers it"
	case len(a.Rules) == 0:
		return a.Scope + ": no rule is true"
	}
	return a.Scope + ": " + namedRules(a.Rules)
}

func whyPossible(a policy.Possible) string {
	if len(a.Rules) == 0 {
		return a.Scope + ": default"
	}
	return a.Scope + ": " + namedRules(a.Rules)
}

func namedRules(rules []string) string {
	if len(rules) == 1 {
		return "rule " + rules[0]
	}
	return "rules " + strings.Join(rules, ", ")
}

// describe says who it is.
func (r whoRow) describe() string {
	switch {
	case r.Kind == "anybody":
		return "who does not sign in"
	case r.Kind == "token":
		return "a token of " + r.Name
	case r.Kind == "group" && r.Name == "":
		return "a user of no group"
	case r.Kind == "group":
		return "a user of group " + r.Name + " alone"
	}
	return r.Name
}

func (a whoAnswer) print(io IO, output format) error {
	if output == formatJSON {
		return io.printJSON(a)
	}
	err := printRows(io, output, a.Who, []string{"WHO", "MAY", "BY", "DEPENDS ON"}, func(r whoRow) []string {
		return []string{r.describe(), string(r.May), r.By, strings.Join(r.Depends, ", ")}
	})
	if err == nil && a.Webhook != "" {
		fmt.Fprintf(io.Err, "hint: webhook %s is asked then, and may deny\n", a.Webhook)
	}
	return err
}
