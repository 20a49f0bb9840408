package authz

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/webhook"
)

func TestEveryDecisionIsOneLineOfTheAuditLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := setup{global: rules("request.action == 'mount-blob'", "request.action == 'get-manifest'"), audit: slog.New(slog.NewJSONHandler(&out, nil))}.build(t)
	manifest := asks(t, access.GetManifest, "team/app")
	manifest.Request.Reference, manifest.Transport.RequestID = parseReference(t, "v1"), "r1"
	manifest.Transport.ClientRequestID = "c1"
	manifest.Identity.Username = "al\n{\"ice\":1}"
	mount := asks(t, access.MountBlob, "mine")
	mount.Request.Digest, mount.Request.From, mount.Transport.RequestID = parseDigest(t, "a"), parseName(t, "theirs"), "r2"
	for _, q := range []access.Question{manifest, mount, asks(t, access.Healthz, "")} {
		a.Authorize(t.Context(), &q)
	}
	a.mayList(t.Context(), &manifest, parseName(t, "team/app"))

	digest := parseDigest(t, "a").String()
	want := []map[string]any{
		{
			"request_id": "r1", "client_request_id": "c1", "action": "get-manifest", "namespace": "team/app", "reference": "v1", "digest": "",
			"username": "al\n{\"ice\":1}", "client": "10.0.3.4", "decision": "allowed", "stage": "global", "rule": "global/2", "reason": "rule",
		},
		{
			"request_id": "r2", "client_request_id": "", "action": "mount-blob", "namespace": "mine", "reference": "", "digest": digest,
			"username": "alice", "client": "10.0.3.4", "decision": "allowed", "stage": "global", "rule": "global/1", "reason": "rule",
		},
		{
			"request_id": "r2", "client_request_id": "", "action": "get-blob", "namespace": "theirs", "reference": "", "digest": digest,
			"username": "alice", "client": "10.0.3.4", "decision": "denied", "stage": "global", "rule": "", "reason": "default",
		},
	}
	got := records(t, &out)
	for _, record := range got {
		if record["msg"] != "decision" || record["level"] != "INFO" || record["time"] == nil {
			t.Errorf("got %v, want time, level and the message decision", record)
		}
		delete(record, "msg")
		delete(record, "level")
		delete(record, "time")
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestARuleThatFailsIsCountedAlwaysAndLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		fails := "identity.oidc.claims['x'] == 'y'"
		a := setup{
			global: rules(fails, signedIn), repositories: map[string]part{"team": {policy: rules(fails, signedIn)}},
			logger: slog.New(slog.NewJSONHandler(&out, nil)),
		}.build(t)
		q := asks(t, access.GetManifest, "team/app")
		for range 1000 {
			if !a.Authorize(t.Context(), &q).Allowed {
				t.Fatal("denied, want the next rule to allow")
			}
		}
		time.Sleep(troubleEvery) // of the bubble
		a.Authorize(t.Context(), &q)
		var got []string
		for _, record := range records(t, &out) {
			got = append(got, fmt.Sprint(record["level"], " ", record["msg"], " ", record["stage"], " ", record["rule"]))
			if record["error"] == nil {
				t.Errorf("got %v, want the error", record)
			}
		}
		want := []string{"WARN rule failed global global/1", "WARN rule failed repository team/1"}
		if want = append(want, want...); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, stage := range ruleStages {
			if got := testutil.ToFloat64(a.Metrics.failures[stage]); got != 1001 {
				t.Errorf("%s: counted %v, want 1001", stage, got)
			}
		}
	})
}

func TestAWebhookThatBreaksIsLoggedAndADenialIsNot(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	for status, want := range map[int]int{500: 1, 403: 0, 302: 0, 200: 0} {
		var out bytes.Buffer
		a := setup{
			global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": e.hook(t, "guard", status, nil)},
			logger: slog.New(slog.NewJSONHandler(&out, nil)),
		}.build(t)
		for range 5 {
			a.Authorize(t.Context(), new(asks(t, access.GetBlob, "team")))
		}
		if got := records(t, &out); len(got) != want {
			t.Errorf("status %d: got %v, want %d records", status, got, want)
		}
	}
}
