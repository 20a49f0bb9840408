package authz

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/webhook"
)

func TestDecisionsAreCountedByStageAndResult(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	webhooks := map[string]*webhook.Client{"yes": e.hook(t, "yes", 200, nil), "no": e.hook(t, "no", 403, nil)}
	tests := []struct {
		setup setup
		want  verdict
	}{
		{setup{}, verdict{access.StageNone, false}},
		{setup{open: true}, verdict{access.StageNone, true}},
		{setup{global: bans()}, verdict{access.StageGlobal, true}},
		{setup{global: rules()}, verdict{access.StageGlobal, false}},
		{setup{repositories: map[string]part{"team": {policy: bans()}}}, verdict{access.StageRepository, true}},
		{setup{repositories: map[string]part{"team": {policy: rules()}}}, verdict{access.StageRepository, false}},
		{setup{global: bans(), hook: "yes"}, verdict{access.StageWebhook, true}},
		{setup{global: bans(), hook: "no"}, verdict{access.StageWebhook, false}},
	}
	for _, tt := range tests {
		tt.setup.webhooks = webhooks
		a := tt.setup.build(t)
		a.Authorize(t.Context(), new(asks(t, access.GetBlob, "team")))
		a.Authorize(t.Context(), new(asks(t, access.Healthz, "")))
		for v, counter := range a.Metrics.decisions {
			want := 0.0
			if v == tt.want {
				want = 1
			}
			if got := testutil.ToFloat64(counter); got != want {
				t.Errorf("want %v counted: %v is %v", tt.want, v, got)
			}
		}
	}
}
