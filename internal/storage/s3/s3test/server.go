// Package s3test runs real services that speak S3 for tests, and proxies before them that count requests or
// do harm.
// It promises a service of its own over a temporary folder, which ends with the test, and configs that no
// other test shares a key with.
// It must not know what the tests look for.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/storage/s3"
)

// The credentials of every service.
const (
	AccessKeyID     = "sreg-test"
	SecretAccessKey = "sreg-test-secret"
	region          = "us-east-1"
)

// patience bounds how long a service may take to start.
const patience = 30 * time.Second

// Server is a service that speaks S3, for one test and those below it.
type Server struct {
	// Endpoint is its address, as in a config.
	Endpoint string
	// Name is that of the program.
	Name string
	// Folder is where it keeps its data.
	Folder string

	client  *awss3.Client
	buckets atomic.Int64
}

// program is how a service is run.
type program struct {
	name    string
	args    func(address, folder string) []string
	environ []string
}

// Start runs versitygw.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t, program{
		name: "versitygw",
		args: func(address, folder string) []string {
			return []string{"--port", address, "--region", region, "--quiet", "--keep-alive", "posix", "--disableotmp", folder}
		},
		environ: []string{"ROOT_ACCESS_KEY=" + AccessKeyID, "ROOT_SECRET_KEY=" + SecretAccessKey},
	})
}

// StartMinio runs minio, which the slow set of tests has besides.
func StartMinio(t testing.TB) *Server {
	t.Helper()
	return start(t, program{
		name: "minio",
		args: func(address, folder string) []string {
			return []string{"server", "--quiet", "--address", address, folder}
		},
		environ: []string{"MINIO_ROOT_USER=" + AccessKeyID, "MINIO_ROOT_PASSWORD=" + SecretAccessKey, "MINIO_BROWSER=off"},
	})
}

// Each runs a test on every service: versitygw, and minio where SREG_TEST_ALL asks for the slow set.
func Each(t *testing.T, try func(t *testing.T, server *Server)) {
	t.Run("versitygw", func(t *testing.T) {
		t.Parallel()
		try(t, Start(t))
	})
	if os.Getenv("SREG_TEST_ALL") == "1" {
		t.Run("minio", func(t *testing.T) {
			t.Parallel()
			try(t, StartMinio(t))
		})
	}
}

// Config runs versitygw for one test and gives the config of a new bucket on it.
func Config(t testing.TB) s3.Config {
	t.Helper()
	return Start(t).Config(t)
}

// Config gives the config of a new bucket, with the smallest parts that S3 takes.
func (s *Server) Config(t testing.TB) s3.Config {
	t.Helper()
	cfg := s3.DefaultConfig()
	cfg.Endpoint, cfg.Region, cfg.PathStyle = s.Endpoint, region, true
	cfg.AccessKeyID, cfg.SecretAccessKey = AccessKeyID, secret.New(SecretAccessKey)
	cfg.PartSize, cfg.UploadMemory = 5*bytesize.MiB, 40*bytesize.MiB
	cfg.Bucket = "sreg-" + strconv.FormatInt(s.buckets.Add(1), 10)
	patient := func(o *awss3.Options) { o.RetryMaxAttempts = 12 } // minio says that it is ready before it makes buckets
	if _, err := s.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &cfg.Bucket}, patient); err != nil {
		t.Fatalf("create bucket %s: %v", cfg.Bucket, err)
	}
	return cfg
}

// Client speaks to the service beside any Store: to look at what lies there, and to damage it.
func (s *Server) Client() *awss3.Client { return s.client }

// start tries again on another port when somebody else took the one that was free.
func start(t testing.TB, p program) *Server {
	t.Helper()
	path := find(t, p.name)
	folder := t.TempDir()
	var log string
	for range 5 {
		address := freeAddress(t)
		cmd := exec.Command(path, p.args(address, folder)...)
		cmd.Env = append(os.Environ(), p.environ...)
		endpoint := "http://" + address
		var ready bool
		if ready, log = run(t, cmd, endpoint); ready {
			return &Server{Name: p.name, Endpoint: endpoint, Folder: folder, client: newClient(endpoint)}
		}
	}
	t.Fatalf("%s does not start:\n%s", p.name, log)
	return nil
}

// run starts a program and waits until it answers by HTTP. It ends with the test.
func run(t testing.TB, cmd *exec.Cmd, endpoint string) (ready bool, log string) {
	t.Helper()
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, ended := context.WithTimeout(t.Context(), patience)
	waited := make(chan struct{})
	go func() { // ends with the program
		defer close(waited)
		defer ended()
		cmd.Wait() //nolint:errcheck // it is killed in the end
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-waited
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, endpoint) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, out.String()
		}
	}
	return true, ""
}

func answers(ctx context.Context, endpoint string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/minio/health/ready", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode < http.StatusInternalServerError
}

func newClient(endpoint string) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(endpoint), Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
	})
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// find finds a program that make tools installs, from any folder of the repository. Where the set of
// programs may be partial the test is left out, and says so; everywhere else a missing one fails it.
func find(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if path, err := exec.LookPath(filepath.Join(dir, ".tools", "bin", name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	reason := fmt.Sprintf("%s is not installed; make tools installs it", name)
	if os.Getenv("SREG_TEST_PARTIAL") != "1" {
		t.Fatal(reason)
	}
	t.Skip("left out: " + reason)
	return ""
}

// output collects what a program writes.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
