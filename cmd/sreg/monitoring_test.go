package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestTheAlertsFireWhenTheyShould runs the unit tests of the alerts, and sees that each alert has one.
func TestTheAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	run(t, "promtool", "check", "rules", alertsFile)
	run(t, "promtool", "test", "rules", "../../testdata/prometheus/alerts_test.yaml")
	tests, err := os.ReadFile("../../testdata/prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name := range alerts(t) {
		if !strings.Contains(string(tests), `labels: '{alertname="`+name+`"}', value: 1`) {
			t.Errorf("no test lets %s fire", name)
		}
	}
}

const alertsFile = "../../deploy/prometheus/alerts.yaml"

// alerts are the queries of the alerts by their names.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{}
	for _, rule := range file.Groups[0].Rules {
		queries[rule.Alert] = rule.Expr
	}
	return queries
}

// comparison is the end of an alert's query: without it the query shows what it looks at.
var comparison = regexp.MustCompile(`\s*(==|>)\s*[^{}]*$|\s> 0\.0?[0-9]+ \* .*$`)

var failures5xx = regexp.MustCompile(`,?status(=|=~|!~)"[^"]*"`)

// TestTheQueriesOfTheDashboardAndTheAlertsFindWhatAServerShows asks a real Prometheus, which scrapes a real server on
// which a bit of everything has happened.
func TestTheQueriesOfTheDashboardAndTheAlertsFindWhatAServerShows(t *testing.T) {
	t.Parallel()
	s := eventfulServer(t)
	prometheus := scrapedByPrometheus(t, s)
	queries := dashboardQueries(t)
	for name, query := range alerts(t) {
		query = comparison.ReplaceAllString(strings.Join(strings.Fields(query), " "), "")
		queries["alert "+name] = failures5xx.ReplaceAllString(query, "") // this server does not fail
	}
	if len(queries) < 45 {
		t.Errorf("got %d queries, want more", len(queries))
	}
	defer func() {
		if t.Failed() {
			t.Logf("these find nothing: %q", queries)
		}
	}()
	eventually(t, "a result of each query", func() bool {
		if err := askEventful(s); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(queries, func(_, query string) bool { return finds(t, prometheus, query) })
		return len(queries) == 0
	})
}

// dashboardQueries are the queries of each panel, with the variables filled in as Grafana does it.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/sreg.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Annotations struct {
			List []struct{ Name, Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$__interval", "5m", "$job", ".+", "$instance", ".+")
	queries := map[string]string{}
	for _, panel := range board.Panels {
		for i, target := range panel.Targets {
			queries[fmt.Sprintf("panel %s/%d", panel.Title, i)] = fill.Replace(target.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		queries["annotation "+a.Name] = comparison.ReplaceAllString(fill.Replace(a.Expr), "")
	}
	return queries
}

// eventfulServer has been asked for all that makes a series.
func eventfulServer(t *testing.T) *server {
	t.Helper()
	guard := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	t.Cleanup(guard.Close)
	s := serveConfigured(t, `
auth: {users: [{name: alice, password_hash: "`+bcryptHash+`"}]}
policy: {default: allow, webhook: guard, rules: []}
webhooks: [{name: guard, url: "`+guard.URL+`"}]`)
	run(t, "crane", "push", writeTarball(t, newImage(t), "x:1"), s.address+"/team/app:1")
	run(t, binary, "gc", "--data", s.dir)
	return s
}

// askEventful asks with a password and without.
func askEventful(s *server) error {
	for _, password := range []string{"correct horse", "a wrong one"} {
		request, err := http.NewRequest(http.MethodGet, s.url("/v2/team/app/manifests/1"), http.NoBody)
		if err != nil {
			return err
		}
		request.SetBasicAuth("alice", password)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
	}
	return nil
}

// scrapedByPrometheus starts a Prometheus, and returns the URL of its API.
func scrapedByPrometheus(t *testing.T, s *server) string {
	t.Helper()
	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	writeFile(t, config, `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["`+rules+`"]
scrape_configs: [{job_name: sreg, static_configs: [{targets: ["`+s.address+`"]}]}]
`)
	p := start(t, exec.Command(need(t, "prometheus"), "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", "127.0.0.1:0"))
	return "http://" + p.await(t, regexp.MustCompile(`msg="Listening on" address=(\S+)`))[1]
}

// finds says whether a query has a result. A mistake in it fails the test.
func finds(t *testing.T, prometheus, query string) bool {
	t.Helper()
	response, err := http.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return false // it starts
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		return false // it starts still
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if response.StatusCode == http.StatusBadRequest || response.StatusCode == http.StatusUnprocessableEntity {
		t.Fatalf("%s: %s", query, answer.Error)
	}
	return len(answer.Data.Result) > 0
}
