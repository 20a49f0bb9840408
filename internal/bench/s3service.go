package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
)

// The key of the service that the bench starts: nobody else reaches it.
const (
	s3AccessKey = "bench"
	s3SecretKey = "bench-bench-bench"
	s3Region    = "us-east-1"
)

// s3Program is versitygw over a folder.
func s3Program(path string) program {
	return program{
		name: "s3", path: path, silent: true,
		env: []string{"ROOT_ACCESS_KEY=" + s3AccessKey, "ROOT_SECRET_KEY=" + s3SecretKey},
		args: func(dir string) ([]string, error) {
			return []string{"--port", "127.0.0.1:0", "--region", s3Region, "--keep-alive", "--quiet", "posix", dir}, nil
		},
	}
}

// s3Bucket is where a contestant keeps its objects.
type s3Bucket struct {
	address, bucket string
	redirect        bool   // whether pulls of blobs are sent to the service
	memory          string // upload_memory of sreg
}

const sregS3Config = `storage:
  blobs:
    type: s3
    s3: {endpoint: "http://%s", bucket: %s, region: %s, path_style: true, access_key_id: %s, secret_access_key: %s, redirect: %t, upload_memory: %s}
`

// sregS3Program is sreg that keeps blobs and metadata in a bucket, with everything else as it is by default.
func sregS3Program(path string, on s3Bucket) program {
	return program{name: "sreg-s3", path: path, args: func(dir string) ([]string, error) {
		file, err := writeConfig(dir, fmt.Sprintf(sregS3Config,
			on.address, on.bucket, s3Region, s3AccessKey, s3SecretKey, on.redirect, on.memory))
		return []string{"serve", "--address", "127.0.0.1:0", "-c", file}, err
	}}
}

// peerS3Config differs from peerConfig by its driver alone.
const peerS3Config = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  s3: {regionendpoint: "http://%s", bucket: %s, region: %s, accesskey: %s, secretkey: %s, forcepathstyle: true, secure: false}
  redirect: {disable: %t}
  cache: {blobdescriptor: inmemory}
  tag: {concurrencylimit: 8}
  delete: {enabled: true}
http: {addr: "127.0.0.1:0"}
`

// peerS3Program is the Docker registry on its S3 driver.
func peerS3Program(path string, on s3Bucket) program {
	return program{
		name: "peer-s3", path: path, env: []string{"OTEL_TRACES_EXPORTER=none"},
		args: func(dir string) ([]string, error) {
			file, err := writeConfig(dir, fmt.Sprintf(peerS3Config,
				on.address, on.bucket, s3Region, s3AccessKey, s3SecretKey, !on.redirect))
			return []string{"serve", file}, err
		},
	}
}

// subjectOnS3 is the contestant that Options.Subject names. A floor keeps its files to itself.
func subjectOnS3(opts Options, on s3Bucket) program {
	switch opts.Subject {
	case "peer":
		return peerS3Program(opts.Peer, on)
	case "floor":
		return floorProgram(opts.Floor)
	default:
		return sregS3Program(opts.Sreg, on)
	}
}

// counter stands before the service and counts what one contestant asks it. It is not there when time counts.
type counter struct {
	*httptest.Server
	requests atomic.Int64
}

func newCounter(service string) *counter {
	c := &counter{}
	// The request goes on as it is: its signature covers the host that the contestant has called.
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: manyClients},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: service})
			r.Out.Host = r.In.Host
		},
	}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	return c
}

func (c *counter) address() string { return c.Listener.Addr().String() }

// accepts says whether something listens, which is all that can be asked of a program without knowing its API.
func accepts(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
