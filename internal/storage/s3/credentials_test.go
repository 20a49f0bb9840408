package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/storage/s3"
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
