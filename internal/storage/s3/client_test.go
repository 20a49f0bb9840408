package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestCredentialsComeFromTheChain plays each place where AWS's tools look, and sees in the signature whose
// key is used. It is not parallel: the chain reads the environment.
func TestCredentialsComeFromTheChain(t *testing.T) {
	var signed atomic.Value
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		signed.Store(r.Header.Get("Authorization"))
	}))
	t.Cleanup(service.Close)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("WebIdentityToken") != "a-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>`+
			`<AccessKeyId>from-sts</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>`+
			`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, until)
	}))
	t.Cleanup(sts.Close)
	instance := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const roles = "/latest/meta-data/iam/security-credentials/"
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			_, _ = io.WriteString(w, "session")
		case roles:
			_, _ = io.WriteString(w, "role")
		case roles + "role":
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"from-instance","SecretAccessKey":"s","Token":"t","Expiration":%q}`, until)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(instance.Close)
	dir := t.TempDir()
	file, token := filepath.Join(dir, "credentials"), filepath.Join(dir, "token")
	writeFile(t, file, []byte("[default]\naws_access_key_id = from-file\naws_secret_access_key = s\n"))
	writeFile(t, token, []byte("a-token"))

	none := map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"), "AWS_CONFIG_FILE": filepath.Join(dir, "none"),
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_STS": sts.URL, "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.URL,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	}
	for _, c := range []struct {
		name    string
		static  string
		environ map[string]string
		want    string // "" = there are none
	}{
		{"the config, before all others", "from-config", map[string]string{"AWS_ACCESS_KEY_ID": "from-env", "AWS_SECRET_ACCESS_KEY": "s"}, "from-config"},
		{"the environment", "", map[string]string{"AWS_ACCESS_KEY_ID": "from-env", "AWS_SECRET_ACCESS_KEY": "s"}, "from-env"},
		{"a shared file", "", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file}, "from-file"},
		{"web identity", "", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/sreg"}, "from-sts"},
		{"the instance's profile", "", map[string]string{"AWS_EC2_METADATA_DISABLED": ""}, "from-instance"},
		{"nowhere", "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range none {
				t.Setenv(name, value)
			}
			for name, value := range c.environ {
				t.Setenv(name, value)
			}
			cfg := at(service.URL)
			cfg.AccessKeyID, cfg.SecretAccessKey = c.static, secret.Value{}
			if c.static != "" {
				cfg.SecretAccessKey = secret.New("s")
			}
			signed.Store("")
			err := s3.LoadRecord(t.Context(), open(t, cfg), "a")
			if c.want == "" {
				wantTrouble(t, err, "access_key_id", "there are no credentials", "secret_access_key")
				wantUnavailable(t, err)
				return
			}
			if got := signed.Load().(string); !strings.Contains(got, "Credential="+c.want+"/") {
				t.Errorf("signed by %q, want %s (%v)", got, c.want, err)
			}
		})
	}
	t.Run("a profile that is not there", func(t *testing.T) {
		t.Setenv("AWS_PROFILE", "nobody")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		cfg := at(service.URL)
		cfg.AccessKeyID, cfg.SecretAccessKey = "", secret.Value{}
		_, err := s3.New(t.Context(), cfg, s3.Options{Section: section})
		wantTrouble(t, err, "access_key_id", "nobody")
	})
}

// impatient is a config whose time-outs a test can wait for.
func impatient(cfg s3.Config) s3.Config {
	cfg.AttemptTimeout, cfg.Timeout = 300*time.Millisecond, 5*time.Second
	cfg.MaxAttempts = 2
	cfg.Breaker.Failures = 0
	return cfg
}

// wantUnavailable wants the error of an outage.
func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var away *storage.UnavailableError
	if !errors.As(err, &away) || away.RetryAfter < time.Second {
		t.Fatalf("error is %v, want an UnavailableError that says when to come again", err)
	}
}

// TestAFaultyConnection breaks the way to a real service, wants to be told, and heals it.
func TestAFaultyConnection(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for name, harm := range map[string]func(*s3test.Faults){
		"nobody listens":            (*s3test.Faults).Down,
		"nothing comes back":        (*s3test.Faults).Hang,
		"connections are reset":     (*s3test.Faults).Reset,
		"answers are late":          func(f *s3test.Faults) { f.Slow(time.Second) },
		"answers are cut off":       func(f *s3test.Faults) { f.CutAnswers(20) },
		"requests are cut off":      func(f *s3test.Faults) { f.CutRequests(100) },
		"large requests are cut":    func(f *s3test.Faults) { f.CutRequests(100 << 10) },
		"heads of answers come cut": func(f *s3test.Faults) { f.CutAnswers(1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, faults := s3test.Faulty(t, impatient(server.Config(t)))
			store := open(t, cfg)
			if err := s3.WriteRecord(t.Context(), store, "before", large); err != nil {
				t.Fatal(err)
			}
			harm(faults)
			begun := time.Now()
			wantUnavailable(t, s3.WriteRecord(t.Context(), store, "during", large))
			if took := time.Since(begun); took > cfg.Timeout {
				t.Errorf("it took %s, want at most %s", took, cfg.Timeout)
			}
			faults.Heal()
			if err := s3.WriteRecord(t.Context(), store, "after", large); err != nil {
				t.Errorf("after it healed: %v", err)
			}
			if err := s3.LoadRecord(t.Context(), store, "before"); err != nil {
				t.Errorf("after it healed: %v", err)
			}
		})
	}
}

// TestFailuresThatPassAreTriedAgain plays a service that fails once.
func TestFailuresThatPassAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]http.Handler{
		"503 SlowDown":      refusal(503, "SlowDown", "reduce your rate"),
		"500 InternalError": refusal(500, "InternalError", "oops"),
		"502 of a proxy":    said{502, http.Header{"Content-Type": {"text/html"}}, "<html>"},
		"a connection that ends": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					first.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Etag", `"1"`)
			}))
			t.Cleanup(server.Close)
			if err := s3.WriteRecord(t.Context(), open(t, at(server.URL)), "a", []byte("x")); err != nil {
				t.Error(err)
			}
			if asked.Load() != 2 {
				t.Errorf("asked %d times, want twice", asked.Load())
			}
		})
	}
}

// TestManyFailuresDoNotEatTheRetriesOfOthers: the SDK's own client has a bucket of tokens for all of them.
func TestManyFailuresDoNotEatTheRetriesOfOthers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		first := asked[r.URL.Path] == 1
		mu.Unlock()
		if first {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Etag", `"1"`)
	}))
	t.Cleanup(server.Close)
	store := open(t, at(server.URL))
	var work sync.WaitGroup
	for range 100 {
		work.Go(func() {
			if err := s3.WriteRecord(t.Context(), store, "a"+time.Now().String(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
}

// TestNothingStaysBehind is not parallel: it looks at all goroutines.
func TestNothingStaysBehind(t *testing.T) {
	cfg, faults := s3test.Faulty(t, impatient(s3test.Config(t)))
	cfg.MaxAttempts = 1
	before := ours(t)
	store := open(t, cfg)
	for _, harm := range []func(){
		faults.Heal, faults.Hang, faults.Heal, faults.Reset, faults.Heal, faults.Down, faults.Heal, func() { faults.CutAnswers(300) },
	} {
		harm()
		for _, key := range []string{"a", "b"} {
			_ = s3.WriteRecord(t.Context(), store, key, make([]byte, 100<<10)) // some of it fails, as it must
			_ = s3.LoadRecord(t.Context(), store, key)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for ours(t) > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines of connections, want %d as before", ours(t), before)
		}
	}
}

// ours counts the goroutines that hold a connection to a service, or wait in this package.
func ours(t *testing.T) int {
	t.Helper()
	http.DefaultClient.CloseIdleConnections() // toxiproxy's
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		t.Fatal(err)
	}
	return strings.Count(all.String(), "persistConn).readLoop(") + strings.Count(all.String(), "internal/storage/s3.(")
}
