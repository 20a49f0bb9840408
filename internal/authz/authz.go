// Package authz decides whether who asks may do what is asked: by the policies, then by a webhook.
// It promises that nothing is allowed unless every stage that has a say allows it, that an error never
// allows, and that each decision says which stage and which rule made it.
// It must not know how anybody signed in, what is stored, or how a client is answered.
package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

// Options are what an Authorizer is made of.
type Options struct {
	// Policies are the global policy and those of the repositories. They name the webhook that is asked
	// after them.
	Policies *policy.Chain
	// Webhooks are all that may be named.
	Webhooks map[string]*webhook.Client
	// Open allows everything if there is no policy at all. Only a registry that this computer alone
	// can reach may be open.
	Open bool
	// Tags finds the tags that go with a manifest which is deleted by its digest.
	Tags Tags
	// HideDenied makes a denial look as if the thing did not exist, to those who have signed in.
	HideDenied bool
	Metrics    *Metrics
	Logger     *slog.Logger
	// Audit gets one record for each decision.
	Audit access.Audit
}

// Authorizer decides. New makes one, and any number of goroutines may use it.
type Authorizer struct {
	Options
	troubles sync.Map      // when each was logged: *rate.Sometimes by its name
	listing  chan struct{} // has an element for each entry that a webhook is asked about
}

// Tags finds the tags of manifests.
type Tags interface {
	// TagsOf gives the tags that stand for a manifest, in lexical order and at most n of them, and says whether there
	// are more. A manifest that does not exist has none.
	TagsOf(ctx context.Context, ns oci.Name, d oci.Digest, n int) (tags []oci.Tag, more bool, err error)
}

// New makes an Authorizer. The one error is a webhook that does not exist.
func New(opts Options) (*Authorizer, error) {
	opts.Open = opts.Open && opts.Policies.Empty()
	opts.Logger = opts.Logger.With("module", "authz")
	for _, name := range opts.Policies.Webhooks() {
		if opts.Webhooks[name] == nil {
			return nil, fmt.Errorf("there is no webhook %q", name)
		}
	}
	return &Authorizer{Options: opts, listing: make(chan struct{}, asksOfListings)}, nil
}

// Authorize decides about a request, and about the other request that it includes: a mount pulls from its
// source, too. The decision is the one that denied, or the last of those that all allowed.
func (a *Authorizer) Authorize(ctx context.Context, q *access.Question) access.Decision {
	if neverAsked(q) {
		return access.Decision{Allowed: true, Stage: access.StageNone, Reason: "never asked", Asked: q.Request}
	}
	decision := a.recorded(ctx, q)
	if !decision.Allowed {
		return decision
	}
	if next, ok := following(*q); ok {
		decision = a.recorded(ctx, &next)
	}
	return decision
}

// recorded decides, and keeps a record of that. Where there must be one and it cannot be kept, nothing is decided.
func (a *Authorizer) recorded(ctx context.Context, q *access.Question) access.Decision {
	decision := a.decide(ctx, q)
	if err := a.record(ctx, q, decision); err != nil {
		decision.Allowed, decision.Denial, decision.Err = false, access.Forbidden, err
	}
	return decision
}

const (
	// asksPerListing is how many entries of one listing a webhook is asked about at once.
	asksPerListing = 8
	// asksOfListings is how many those of all listings together are.
	asksOfListings = 32
)

// MayList decides which entries of a listing are shown, in their order. When the time is over it leaves out the last
// ones, but for the first one; likewise when ctx ends.
func (a *Authorizer) MayList(ctx context.Context, q *access.Question, entries []oci.Name, until time.Time) []bool {
	shown := make([]bool, len(entries))
	var asked sync.WaitGroup
	defer asked.Wait() // each ends with its question
	slots := make(chan struct{}, asksPerListing)
	for i, entry := range entries {
		if i > 0 && !time.Now().Before(until) {
			return shown[:i]
		}
		if a.Policies.Webhook(entry) == "" {
			shown[i] = a.mayList(ctx, q, entry)
			continue
		}
		slots <- struct{}{}
		select {
		case a.listing <- struct{}{}:
		case <-ctx.Done():
			return shown[:i]
		}
		asked.Go(func() {
			shown[i] = a.mayList(ctx, q, entry)
			<-a.listing
			<-slots
		})
	}
	return shown
}

// mayList decides whether an entry of a listing is shown: as list-tags of that namespace would be
// decided, for the one who asked for the listing. It is called once an entry, so neither the metric of
// decisions nor the audit log shows it.
func (a *Authorizer) mayList(ctx context.Context, q *access.Question, entry oci.Name) bool {
	listing := listTags(*q, entry)
	return a.decide(ctx, &listing).Allowed
}

// decide asks the stages in their order.
func (a *Authorizer) decide(ctx context.Context, q *access.Question) access.Decision {
	if !q.Scope.Allows(&q.Request) {
		return access.Decision{Stage: access.StageToken, Denial: access.OutOfScope, Reason: "the token is for something else", Asked: q.Request}
	}
	decision := access.Decision{Stage: access.StageNone, Reason: "the request has no action"}
	tags := a.touched(ctx, q)
	if q.Request.Action != "" {
		decision = a.askPolicies(ctx, q, tags)
	}
	if decision.Allowed {
		if name := a.Policies.Webhook(q.Request.Namespace); name != "" {
			decision = a.askWebhook(ctx, a.Webhooks[name], q, tags)
		}
	}
	decision.Asked = q.Request
	if tags != nil && tags.err != nil {
		decision.Allowed, decision.Reason, decision.Err = false, tags.err.Error(), tags.err
	}
	if decision.Allowed {
		return decision
	}
	decision.Denial = a.denial(q)
	if errors.Is(decision.Err, access.ErrTooManyTags) && decision.Denial != access.Forbidden {
		decision.Err = nil // nobody else shall know of the manifest
	}
	return decision
}

// denial is how a client is told that it may not.
func (a *Authorizer) denial(q *access.Question) access.Denial {
	switch {
	case q.Identity.Anonymous():
		return access.Unauthenticated
	case a.HideDenied:
		return access.Hidden
	}
	return access.Forbidden
}

func (a *Authorizer) askPolicies(ctx context.Context, q *access.Question, tags *touched) access.Decision {
	if a.Open {
		return access.Decision{Allowed: true, Stage: access.StageNone, Reason: "no policy, for this computer alone"}
	}
	asked := policy.Question{Identity: q.Identity, Request: q.Request}
	if tags != nil {
		asked.Tags = tags.get
	}
	verdict := a.Policies.Decide(asked)
	for _, step := range verdict.Steps {
		for _, failed := range step.Failed {
			a.ruleFailed(ctx, step.Stage, failed)
		}
	}
	last := verdict.Last()
	decision := access.Decision{Allowed: verdict.Allowed, Stage: last.Stage, Rule: last.Rule, Reason: "rule"}
	switch {
	case last.Stage == access.StageNone:
		decision.Reason = "no policy"
	case last.Rule == "":
		decision.Reason = "default"
	}
	return decision
}

func (a *Authorizer) askWebhook(ctx context.Context, hook *webhook.Client, q *access.Question, tags *touched) access.Decision {
	decision := access.Decision{Stage: access.StageWebhook, Rule: hook.Name}
	told := q.Request
	if tags != nil {
		var err error
		if told.Tags, err = tags.get(); err != nil {
			return decision
		}
	}
	document, err := newDocument(q.Identity, told)
	if err != nil {
		decision.Reason = err.Error()
		a.webhookBroke(ctx, hook.Name, "no question", err)
		return decision
	}
	answer := hook.Ask(ctx, webhook.Question{Document: document, Facts: newFacts(q), Incoming: q.Transport.Header})
	decision.Allowed = answer.Allowed()
	decision.Reason = reason(answer)
	if answer.Broken() {
		a.webhookBroke(ctx, hook.Name, answer.Result.String(), answer.Err)
	}
	return decision
}

func reason(answer webhook.Answer) string {
	text := fmt.Sprintf("status %d", answer.Status)
	if answer.Err != nil {
		text = fmt.Sprintf("%s: %v", answer.Result, answer.Err)
	}
	if answer.Cached {
		text += ", remembered"
	}
	return text
}
