package s3_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// section is where the config of a test would stand.
const section = "storage.blobs.s3"

// at is the config of a service that a test plays.
func at(endpoint string) s3.Config {
	cfg := s3.DefaultConfig()
	cfg.Endpoint, cfg.Bucket, cfg.PathStyle = endpoint, "images", true
	cfg.AccessKeyID, cfg.SecretAccessKey = "key", secret.New("very secret")
	cfg.MaxAttempts = 2
	return cfg
}

// wantTrouble wants an error that names a key of the section, and words.
func wantTrouble(t *testing.T, err error, key string, words ...string) {
	t.Helper()
	var trouble *setting.Error
	if !errors.As(err, &trouble) {
		t.Fatalf("error is %v, want a setting.Error about %s", err, key)
	}
	if want := strings.TrimSuffix(section+"."+key, "."); key != "" && trouble.Key != want || key == "" && trouble.Key != "" {
		t.Errorf("it is about %q, want %q", trouble.Key, want)
	}
	for _, word := range words {
		if !strings.Contains(trouble.Err.Error(), word) {
			t.Errorf("message is %q, want %q in it", trouble.Err, word)
		}
	}
	if strings.Contains(err.Error(), "very secret") || strings.Contains(err.Error(), s3test.SecretAccessKey) {
		t.Errorf("the secret is in %q", err)
	}
}

// TestWhatARealServiceRefusesNamesTheKey asks a real service with one thing wrong.
func TestWhatARealServiceRefusesNamesTheKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		wrong func(*s3.Config)
		key   string
		words []string
	}{
		{"a bucket that is not there", func(c *s3.Config) { c.Bucket = "another" }, "bucket", []string{`no bucket "another"`, "make it"}},
		{"the id of no access key", func(c *s3.Config) { c.AccessKeyID = "nobody" }, "access_key_id", []string{"does not know the id"}},
		{"the secret of another key", func(c *s3.Config) { c.SecretAccessKey = secret.New("wrong") }, "secret_access_key", []string{"not the secret"}},
		{"another region", func(c *s3.Config) { c.Region = "eu-west-7" }, "region", []string{"us-east-1", "eu-west-7"}},
		{"https to a service without", func(c *s3.Config) { c.Endpoint = strings.Replace(c.Endpoint, "http:", "https:", 1) }, "endpoint", []string{"no TLS", "http://"}},
		{"a bucket in the name of a host that is not there", func(c *s3.Config) {
			c.PathStyle, c.Endpoint = false, "http://no-such-host.invalid:9000"
		}, "path_style", []string{"no host sreg-1.no-such-host.invalid", "want true"}},
		{"a host that is not there", func(c *s3.Config) { c.Endpoint = "http://no-such-host.invalid:9000" }, "endpoint", []string{"no-such-host.invalid is not found"}},
		{"nobody listens", func(c *s3.Config) { c.Endpoint = "http://127.0.0.1:1" }, "endpoint", []string{"nobody listens at http://127.0.0.1:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s3test.Each(t, func(t *testing.T, server *s3test.Server) {
				cfg := server.Config(t)
				c.wrong(&cfg)
				if server.Name == "minio" && c.key == "region" {
					return // it takes a signature for any
				}
				store := open(t, cfg)
				wantTrouble(t, s3.LoadRecord(t.Context(), store, "a"), c.key, c.words...)
				wantTrouble(t, s3.WriteRecord(t.Context(), store, "a", []byte("x")), c.key, c.words...)
			})
		})
	}
}

// said is an answer of a service that a test plays.
type said struct {
	status int
	header http.Header
	body   string
}

func (s said) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, values := range s.header {
		w.Header()[name] = values
	}
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

// refusal is one in the way of S3.
func refusal(status int, code, message string, header ...string) said {
	h := http.Header{"Content-Type": {"application/xml"}}
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = []string{header[i+1]}
	}
	return said{status, h, `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>` + message + `</Message></Error>`}
}

// TestWhatServicesSayNamesTheKey plays the answers that no local service gives.
func TestWhatServicesSayNamesTheKey(t *testing.T) {
	t.Parallel()
	early := time.Now().Add(-2 * time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		name   string
		answer said
		key    string
		words  []string
	}{
		{"a permission is missing", refusal(403, "AccessDenied", "Access Denied"), "access_key_id", []string{"s3:PutObject", "images/"}},
		{"a permission is missing, without a code", said{403, http.Header{}, ""}, "access_key_id", []string{"s3:PutObject"}},
		{"a clock is wrong", refusal(403, "RequestTimeTooSkewed", "too large", "Date", early), "", []string{"2h", "ahead of that of", "set it right"}},
		{"a clock is wrong, by a signature that does not fit", refusal(403, "SignatureDoesNotMatch", "no", "Date", early), "", []string{"2h"}},
		{"the region is in the message", refusal(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-central-1'"), "region", []string{"eu-central-1, not in us-east-1"}},
		{"the region is in the header", refusal(301, "PermanentRedirect", "elsewhere", "X-Amz-Bucket-Region", "eu-central-1"), "region", []string{"eu-central-1, not in us-east-1"}},
		{"a redirect to another host", said{307, http.Header{"Location": {"http://elsewhere.example/x?X-Amz-Signature=abc"}}, ""}, "endpoint", []string{"elsewhere.example/x", "not followed"}},
		{"a web page with 200", said{200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<html>hello"}, "endpoint", []string{"text/html", "not as S3 does"}},
		{"a web page with 404", said{404, http.Header{"Content-Type": {"text/html"}}, "<html>"}, "endpoint", []string{"text/html"}},
		{"another service, in JSON", said{404, http.Header{"Content-Type": {"application/json"}}, `{"errors":[]}`}, "endpoint", []string{"application/json"}},
		{"an expired session", refusal(400, "ExpiredToken", "expired"), "access_key_id", []string{"have expired"}},
		{"http spoken to https", said{400, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, "Client sent an HTTP request to an HTTPS server.\n"}, "endpoint", []string{"want https://"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			t.Cleanup(server.Close)
			wantTrouble(t, s3.WriteRecord(t.Context(), open(t, at(server.URL)), "a", []byte("x")), c.key, c.words...)
		})
	}
}

// TestAStrangeAnswerIsNoMissingObject: what a web server says of a path is nothing that an object's absence
// may be told by.
func TestAStrangeAnswerIsNoMissingObject(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	wantTrouble(t, s3.LoadRecord(t.Context(), open(t, at(server.URL)), "a"), "endpoint", "text/plain")
}

// TestAFullServiceIsNoSpace: what cannot be kept is the operator's business.
func TestAFullServiceIsNoSpace(t *testing.T) {
	t.Parallel()
	for _, answer := range []said{refusal(507, "XMinioStorageFull", "full"), refusal(403, "QuotaExceeded", "full")} {
		server := httptest.NewServer(answer)
		t.Cleanup(server.Close)
		if err := s3.WriteRecord(t.Context(), open(t, at(server.URL)), "a", nil); !errors.Is(err, storage.ErrNoSpace) {
			t.Errorf("status %d is %v, want ErrNoSpace", answer.status, err)
		}
	}
}

// TestTLSTroubleNamesTheKey speaks with a service whose certificate is its own.
func TestTLSTroubleNamesTheKey(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(refusal(404, "NoSuchKey", "no"))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := t.TempDir() + "/ca.pem"
	writeCertificate(t, ca, server.TLS)

	for _, c := range []struct {
		name, endpoint, ca string
		key                string
		words              []string
	}{
		{"nobody known has signed it", server.URL, "", "ca_file", []string{"signed by nobody known"}},
		{"the certificate is for another name", strings.Replace(server.URL, "127.0.0.1", "localhost", 1), ca, "endpoint", []string{"for another name"}},
		{"http spoken to it", strings.Replace(server.URL, "https", "http", 1), "", "endpoint", []string{"want https://"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := at(c.endpoint)
			cfg.CAFile = c.ca
			wantTrouble(t, s3.LoadRecord(t.Context(), open(t, cfg), "a"), c.key, c.words...)
		})
	}
	t.Run("with ca_file it is good", func(t *testing.T) {
		t.Parallel()
		cfg := at(server.URL)
		cfg.CAFile = ca
		if err := s3.LoadRecord(t.Context(), open(t, cfg), "a"); err != nil {
			t.Errorf("load is %v, want an absent record", err)
		}
	})
	for name, content := range map[string]string{"is no file": "", "holds no certificate": "hello"} {
		t.Run("ca_file "+name, func(t *testing.T) {
			t.Parallel()
			cfg := at(server.URL)
			cfg.CAFile = t.TempDir() + "/ca.pem"
			if content != "" {
				writeFile(t, cfg.CAFile, []byte(content))
			}
			_, err := s3.New(t.Context(), cfg, s3.Options{Section: section})
			wantTrouble(t, err, "ca_file")
		})
	}
}

// TestEachRightHasItsName: what is denied says what to permit.
func TestEachRightHasItsName(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(refusal(403, "AccessDenied", "Access Denied"))
	t.Cleanup(server.Close)
	cfg := at(server.URL)
	cfg.Prefix = "team/sreg"
	client, ctx := s3.Client(open(t, cfg)), t.Context()
	bucket, key, id := aws.String("images"), aws.String("a"), aws.String("1")
	for right, ask := range map[string]func() error{
		"s3:GetObject on images/team/sreg/": func() error {
			_, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: key})
			return err
		},
		"s3:DeleteObject on images/team/sreg/": func() error {
			_, err := client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: key})
			return err
		},
		"s3:ListBucket on images:": func() error {
			_, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: bucket})
			return err
		},
		"s3:AbortMultipartUpload on": func() error {
			_, err := client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: id})
			return err
		},
		"s3:ListBucketMultipartUploads on": func() error {
			_, err := client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: bucket})
			return err
		},
		"s3:GetBucketVersioning on": func() error {
			_, err := client.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: bucket})
			return err
		},
	} {
		wantTrouble(t, ask(), "access_key_id", right)
	}
}

// TestAClockThatIsWrongIsPutRightByTheSDK: requests are signed for the service's time once it is known.
func TestAClockThatIsWrongIsPutRightByTheSDK(t *testing.T) {
	t.Parallel()
	theirs := time.Now().Add(-2 * time.Hour).UTC()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || signed.Sub(theirs).Abs() > 10*time.Minute {
			refusal(403, "RequestTimeTooSkewed", "too large", "Date", theirs.Format(http.TimeFormat)).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Etag", strconv.Quote("1"))
	}))
	t.Cleanup(server.Close)
	if err := s3.WriteRecord(t.Context(), open(t, at(server.URL)), "a", nil); err != nil {
		t.Error(err)
	}
}

func writeCertificate(t *testing.T, path string, settings *tls.Config) {
	t.Helper()
	writeFile(t, path, pemOf(settings.Certificates[0].Certificate[0]))
}
