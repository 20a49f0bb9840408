package policy

import (
	"slices"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// NoWebhook is what a policy says in place of a webhook's name so that none is asked.
const NoWebhook = "none"

// Chain is all policies of a configuration: a request must pass the global one and that of the
// repository which owns its namespace. Either may be nil.
type Chain struct {
	Global       *Policy
	Repositories oci.Prefixes[*Policy] // also those without a policy: they own what is below them
}

// Empty reports whether there is no policy at all.
func (c *Chain) Empty() bool { return len(c.Policies()) == 0 }

// Repository is the policy of the repository that owns a namespace. It is nil if there is none, or it has
// none.
func (c *Chain) Repository(namespace oci.Name) *Policy {
	p, _ := c.Repositories.Of(namespace)
	return p
}

// Webhook is the name of the webhook that is asked about a namespace after the policies have allowed: that of
// the repository's policy, else that of the global policy. It is empty if none is asked.
func (c *Chain) Webhook(namespace oci.Name) string {
	name := ""
	if c.Global != nil {
		name = c.Global.config.Webhook
	}
	if own := c.Repository(namespace); own != nil && own.config.Webhook != "" {
		name = own.config.Webhook
	}
	if name == NoWebhook {
		return ""
	}
	return name
}

// Webhooks are the names of all webhooks in the policies.
func (c *Chain) Webhooks() []string {
	var names []string
	for _, p := range c.Policies() {
		if name := p.config.Webhook; name != "" && name != NoWebhook {
			names = append(names, name)
		}
	}
	return names
}

// Policies are all policies, the global one first, then in the order of their repositories.
func (c *Chain) Policies() []*Policy { return inOrder(c.Global, c.Repositories) }

// inOrder lists what is not nil: the global one first, then in the order of the repositories.
func inOrder[T any](global *T, repositories oci.Prefixes[*T]) []*T {
	list := []*T{global}
	for _, name := range repositories.Names() {
		list = append(list, repositories[name])
	}
	return slices.DeleteFunc(list, func(one *T) bool { return one == nil })
}

// Step is the decision of one stage.
type Step struct {
	Stage access.Stage
	Scope string // global, or the repository's name
	Decision

	policy *Policy // that decided; nil if none was asked
}

// Verdict is the decision of a chain. If it allows, every step allowed; if it denies, the last step denied.
type Verdict struct {
	Allowed bool
	Steps   []Step
}

// Last is the step that decided: the one that denied, or the last that allowed.
func (v Verdict) Last() Step { return v.Steps[len(v.Steps)-1] }

// Decide asks the policies in their order until one denies. Asking the webhook is left to the caller.
func (c *Chain) Decide(q Question) Verdict {
	repository := c.Repository(q.Request.Namespace)
	q.RepositoryPolicy = repository != nil
	words := newActivation(&q)
	v := Verdict{Steps: make([]Step, 0, 2)}
	for _, s := range []struct {
		stage  access.Stage
		policy *Policy
	}{{access.StageGlobal, c.Global}, {access.StageRepository, repository}} {
		if s.policy == nil {
			continue
		}
		d := s.policy.decide(words)
		v.Steps = append(v.Steps, Step{Stage: s.stage, Scope: s.policy.Scope, Decision: d, policy: s.policy})
		if v.Allowed = d.Allowed; !v.Allowed {
			return v
		}
	}
	if len(v.Steps) == 0 {
		v.Steps = append(v.Steps, Step{Stage: access.StageNone})
	}
	return v
}

// Following is a second request that a request includes, and that must be allowed, too: a mount also reads the
// blob in the namespace that it comes from, and a POST that carries a whole blob also ends the upload.
func Following(r access.Request) (access.Request, bool) {
	switch {
	case r.Action == access.MountBlob && !r.From.IsZero():
		return access.Request{Action: access.GetBlob, Method: "GET", Namespace: r.From, Digest: r.Digest}, true
	case r.Action == access.StartUpload && !r.Digest.IsZero():
		r.Action = access.CompleteUpload
		return r, true
	}
	return access.Request{}, false
}
