package authz

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/policy"
)

// record counts a decision and writes it into the audit log.
func (a *Authorizer) record(ctx context.Context, q *access.Question, d access.Decision) error {
	a.Metrics.decisions[verdict{d.Stage, d.Allowed}].Inc()
	if !a.Audit.Keeps(ctx) {
		return nil
	}
	return a.Audit.Keep(ctx, "decision",
		slog.String("request_id", q.Transport.RequestID),
		slog.String("client_request_id", q.Transport.ClientRequestID),
		slog.String("action", string(q.Request.Action)),
		slog.String("namespace", q.Request.Namespace.String()),
		slog.String("reference", q.Request.Reference.String()),
		slog.String("digest", q.Request.Digest.String()),
		slog.String("username", q.Identity.Name()),
		slog.String("client", q.Identity.Client()),
		slog.String("decision", result(d.Allowed)),
		slog.String("stage", string(d.Stage)),
		slog.String("rule", d.Rule),
		slog.String("reason", d.Reason),
	)
}

// ruleFailed tells of a rule that could not be evaluated.
func (a *Authorizer) ruleFailed(ctx context.Context, stage access.Stage, failed policy.RuleError) {
	a.Metrics.failures[stage].Inc()
	a.seldom("rule "+string(stage)+" "+failed.Rule, func() {
		a.Logger.LogAttrs(ctx, slog.LevelWarn, "rule failed", slog.String("stage", string(stage)),
			slog.String("rule", failed.Rule), slog.Any("error", failed.Err))
	})
}

// webhookBroke tells of an endpoint that needs an operator.
func (a *Authorizer) webhookBroke(ctx context.Context, name, result string, err error) {
	a.seldom("webhook "+name+" "+result, func() {
		a.Logger.LogAttrs(ctx, slog.LevelWarn, "webhook failed, the request is denied", slog.String("webhook", name),
			slog.String("result", result), slog.Any("error", err))
	})
}

// troubleEvery is how often the same trouble is logged. The metrics count every one.
const troubleEvery = time.Minute

// seldom does something once a minute for each trouble: clients can cause as many as they like. The names of
// troubles come from the config, so they are few.
func (a *Authorizer) seldom(trouble string, report func()) {
	known, _ := a.troubles.LoadOrStore(trouble, &rate.Sometimes{Interval: troubleEvery})
	known.(*rate.Sometimes).Do(report)
}
