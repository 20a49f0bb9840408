package commands

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/policy/policytest"
)

// policyExplain is what sreg policy explain was told.
type policyExplain struct {
	from     source
	output   format
	identity string
	request  map[string]*string
}

func newPolicyExplain(io IO) *cobra.Command {
	opts := policyExplain{request: map[string]*string{}}
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Explain what the policies say to one request",
		Long: "Explain what the policies of the config say to one request, step by step, with the values\n" +
			"of all parts of the rules, and what the client would get.\n\n" +
			"A user of the config or of its users file has the groups that are set there, unless\n" +
			"--identity says others." + exitCodes,
		Example: "  sreg policy explain --action get-manifest --namespace team/app --reference v1\n" +
			"  sreg policy explain --identity alice \\\n" +
			"      --action put-manifest --namespace team/app --reference v1\n" +
			"  sreg policy explain --identity '{username: alice, groups: [dev]}' \\\n" +
			"      --action delete-manifest --namespace team/app --reference v1\n" +
			"  sreg policy explain --identity identity.yaml --action list-catalog -o json",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return runPolicyExplain(io, opts) },
	}
	opts.from.addConfigFlag(cmd)
	addOutputFlag(cmd, &opts.output)
	cmd.Flags().StringVar(&opts.identity, "identity", "", "who asks: a user `NAME`, {...} as in a file of cases, or a file of that; nobody if it is left out")
	for _, f := range []struct{ name, usage string }{
		{"action", "what is asked for: `ACTION`, such as get-manifest"},
		{"namespace", "in which `NAMESPACE`"},
		{"reference", "which `TAG` or digest of a manifest"},
		{"digest", "which `DIGEST` of a blob or subject"},
		{"from", "which `NAMESPACE` a mount takes its blob from"},
	} {
		opts.request[f.name] = cmd.Flags().String(f.name, "", f.usage)
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && unknown.GetSpecifiedName() == "tag" {
			return &usageError{message: err.Error(), hint: "a tag is given with --reference"}
		}
		return flagError(cmd, err)
	})
	completeFrom(cmd, "action", policy.ServedActionNames()...)
	completeFlag(cmd, "identity", fromConfig(io, &opts.from, userNames))
	for _, flag := range []string{"namespace", "from"} {
		completeFlag(cmd, flag, fromConfig(io, &opts.from, repositoryNames))
	}
	return cmd
}

// explanation is what is printed.
type explanation struct {
	Action    access.Action        `json:"action"`
	Namespace oci.Name             `json:"namespace,omitzero"`
	Target    string               `json:"target,omitempty"`
	Identity  string               `json:"identity"`
	Stages    []policy.Explanation `json:"stages"`
	Allowed   bool                 `json:"allowed"`            // by the policies
	Webhooks  []string             `json:"webhooks,omitempty"` // that are asked then
	Status    string               `json:"client_gets"`
}

func runPolicyExplain(io IO, opts policyExplain) error {
	if *opts.request["action"] == "" {
		return &usageError{message: "--action is missing", hint: "it is one of " + strings.Join(policy.ServedActionNames(), ", ")}
	}
	if err := onlyNamespace(*opts.request["namespace"]); err != nil {
		return err
	}
	values := map[string]string{}
	for name, value := range opts.request {
		values[name] = *value
	}
	request, mistakes := policytest.ParseRequest(values)
	if len(mistakes) > 0 {
		message := mistakes[0].Message
		if key := mistakes[0].Key; key != "" {
			message = "--" + key + ": " + message // a flag has the name of its key
		}
		mistake := &usageError{message: message}
		if policy.OneNamespace(access.Action(values["action"])) && values["namespace"] == "" {
			mistake.hint = "name it, as in --namespace team/app"
		}
		return mistake
	}
	loaded, err := loadPolicies(io, opts.from)
	if err != nil {
		return err
	}
	if err := loaded.requirePolicy(); err != nil {
		return err
	}
	identity, err := loaded.readIdentity(io, opts.identity)
	if err != nil {
		return err
	}
	return explain(loaded.rules.Access, loaded.cfg, policy.Question{Identity: identity, Request: request}).print(io, opts.output)
}

// onlyNamespace refuses a namespace with a tag or a digest behind it.
func onlyNamespace(text string) error {
	ref, err := parseStoreRef(text)
	reference := cmp.Or(ref.Tag.String(), ref.Digest.String())
	if err == nil && !ref.Namespace.IsZero() && reference != "" { // what else is wrong with it is told where it is read
		return &usageError{
			message: fmt.Sprintf("--namespace: %q is more than a namespace", text),
			hint:    fmt.Sprintf("write --namespace %s --reference %s", ref.Namespace, reference),
		}
	}
	return nil
}

// explain asks the chain, and again for what follows from the request.
func explain(chain *policy.Chain, cfg *config.Config, q policy.Question) explanation {
	x := explanation{Action: q.Request.Action, Namespace: q.Request.Namespace, Target: policy.Target(q.Request), Identity: "nobody"}
	if !q.Identity.Anonymous() {
		x.Identity = q.Identity.Name()
	}
	x.ask(chain, q)
	if next, ok := policy.Following(q.Request); ok && x.Allowed {
		x.ask(chain, policy.Question{Identity: q.Identity, Request: next})
	}
	x.Status = status(x.Allowed, q.Identity.Anonymous(), cfg.Policy != nil && cfg.Policy.HideDenied)
	if x.Allowed && len(x.Webhooks) > 0 {
		x.Status += ", unless webhook " + strings.Join(slices.Compact(x.Webhooks), " or ") + " denies"
	}
	return x
}

// requestLine names what is asked for, and of what.
func requestLine(action access.Action, target string) string {
	return strings.TrimSpace(string(action) + " " + target)
}

func (x *explanation) ask(chain *policy.Chain, q policy.Question) {
	explained, verdict := chain.Explain(q)
	x.Stages = append(x.Stages, explained...)
	x.Allowed = verdict.Allowed
	if hook := chain.Webhook(q.Request.Namespace); x.Allowed && hook != "" {
		x.Webhooks = append(x.Webhooks, hook)
	}
}

// status is what the client would get.
func status(allowed, anonymous, hidden bool) string {
	switch {
	case allowed:
		return "allowed"
	case anonymous:
		return "401 UNAUTHORIZED, with a challenge to sign in"
	case hidden:
		return "404, as if there were nothing: policy.hide_denied"
	}
	return "403 DENIED"
}

func (x explanation) print(io IO, output format) error {
	if output == formatJSON {
		return io.printJSON(x)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s asks for %s\n", x.Identity, requestLine(x.Action, x.Target))
	for i, s := range x.Stages {
		if i > 0 && s.Action != x.Stages[i-1].Action {
			fmt.Fprintf(&b, "which also asks for %s\n", requestLine(s.Action, s.Target))
		}
		stageWriter{Writer: &b, verbose: true}.stage(s, "  ")
	}
	outcome := bad
	if x.Allowed {
		outcome = good
	}
	fmt.Fprintf(&b, "the client gets: %s\n", io.outColours().paint(outcome, x.Status))
	_, err := io.Out.Write([]byte(b.String()))
	return err
}
