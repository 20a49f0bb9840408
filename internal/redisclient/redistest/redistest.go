// Package redistest starts real Redis servers for tests.
// It promises that each server has a port of its own, keeps nothing, and ends with its test, a shared one with the last
// of its tests.
// It must not know what is tested.
package redistest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a server may take to start.
const patience = 10 * time.Second

// Server is a running redis-server.
type Server struct {
	// Address is its host and port.
	Address string

	t       testing.TB
	options Options
	folder  string
	files   Certificates
	process *exec.Cmd
	ended   chan struct{} // closed when the process is no more
	output  *bytes.Buffer
}

// Options say what a server is like; none is a plain one.
type Options struct {
	// TLS makes it speak TLS only, and want a certificate of its clients.
	TLS bool
	// ACL are lines of an ACL file, such as "user default off".
	ACL []string
	// Cluster makes it a Cluster of one, which has all slots.
	Cluster bool
	// Sentinel makes it watch this server by the name of main, instead of keeping anything.
	Sentinel *Server
	// More are arguments of redis-server.
	More []string
}

// Start starts a server and waits until it answers. Without a redis-server the test fails, or is
// left out where SREG_TEST_PARTIAL=1 says so.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s := &Server{t: t, options: options, folder: t.TempDir()}
	if options.TLS {
		s.files = newCertificates(t, s.folder)
	}
	t.Cleanup(s.Kill)
	s.start()
	return s
}

// shared is the server that Shared gives to all tests of a process. It is the one variable of the package: tests do
// not know of each other.
var shared struct {
	mu     sync.Mutex // guards the rest
	server *Server
	users  int
}

// Shared is a plain server that other tests use at the same time, and a prefix for the keys of this one. The test must
// not pause, kill or restart the server, and look at no keys but its own.
func Shared(t testing.TB) (server *Server, prefix string) {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users == 0 {
		shared.server = &Server{t: t, folder: os.TempDir()} // nothing is written there
		shared.server.start()
	}
	shared.users++
	t.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.users--; shared.users == 0 {
			shared.server.Kill()
		}
	})
	return shared.server, "sreg:" + rand.Text() + ":"
}

func (s *Server) start() {
	s.t.Helper()
	for range 5 { // another process may take the port between our look and its use
		s.Address = freeAddress(s.t)
		if s.run() {
			return
		}
	}
	s.t.Fatalf("redis-server does not start:\n%s", s.output)
}

// URL is the server as redis.url has it.
func (s *Server) URL() string {
	scheme := "redis"
	if s.options.TLS {
		scheme = "rediss"
	}
	return scheme + "://" + s.Address + "/0"
}

// Certificates are the files of a server with TLS.
func (s *Server) Certificates() Certificates { return s.files }

// Pause stops the process, which keeps its connections and answers nothing.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused one go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// Kill ends the process, paused or not. A server that is not there stays so.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may have ended by itself
	<-s.ended
	s.process = nil
}

// Restart kills the server and starts it anew on the same port, with nothing in it.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.run() {
		s.t.Fatalf("redis-server does not start again:\n%s", s.output)
	}
}

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatalf("%s to redis-server: %v", signal, err)
	}
}

// run starts the process and says whether it answers.
func (s *Server) run() bool {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.output = &bytes.Buffer{}
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("SREG_TEST_PARTIAL") == "1" {
		s.t.Skip("left out: redis-server is not installed")
	}
	s.process = exec.Command("redis-server", s.arguments(port)...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		s.process = nil
		s.t.Fatalf("start redis-server: %v; apt-get install redis-server", err)
	}
	process, ended := s.process, make(chan struct{})
	s.ended = ended
	go func() { // ends with the process
		defer close(ended)
		_ = process.Wait() // it is killed, so its status says nothing
	}()
	if !s.answers(port) {
		s.Kill()
		return false
	}
	return true
}

func (s *Server) arguments(port string) []string {
	if master := s.options.Sentinel; master != nil {
		host, masterPort, _ := net.SplitHostPort(master.Address)
		path := s.write("sentinel.conf", fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor main %s %s 1\n", port, s.folder, host, masterPort))
		return []string{path, "--sentinel"}
	}
	list := []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.folder}
	if s.options.TLS {
		list = append(list, "--port", "0", "--tls-port", port, "--tls-ca-cert-file", s.files.CA,
			"--tls-cert-file", s.files.Cert, "--tls-key-file", s.files.Key, "--tls-auth-clients", "yes")
	} else {
		list = append(list, "--port", port)
	}
	if len(s.options.ACL) > 0 {
		list = append(list, "--aclfile", s.write("users.acl", strings.Join(s.options.ACL, "\n")+"\n"))
	}
	if s.options.Cluster {
		_ = os.Remove(filepath.Join(s.folder, "nodes.conf")) // there is none before a restart
		list = append(list, "--cluster-enabled", "yes")
	}
	return append(list, s.options.More...)
}

func (s *Server) write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// answers waits until the server listens.
func (s *Server) answers(port string) bool {
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		connection, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err == nil {
			connection.Close()
			return s.join(port)
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(5 * time.Millisecond): // a process has no event for that it listens
		}
	}
	return false
}

// join gives a Cluster of one all slots, and waits until it is whole.
func (s *Server) join(port string) bool {
	if !s.options.Cluster {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Address})
	defer func() { _ = client.Close() }()
	if number, err := strconv.Atoi(port); err != nil || number > 55535 {
		return false // its bus has the port 10000 above
	}
	if err := client.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		return false
	}
	for ctx.Err() == nil {
		if client.Set(ctx, "whole", 1, time.Second).Err() == nil {
			return true
		}
		time.Sleep(5 * time.Millisecond) // nor has a Cluster for that it is whole
	}
	return false
}

// freeAddress finds a port that nobody listens on, with room for the bus of a Cluster above it.
func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().(*net.TCPAddr)
		listener.Close()
		if address.Port <= 55535 {
			return address.String()
		}
	}
}

// Certificates are files in PEM: a CA, and one certificate for server and client.
type Certificates struct{ CA, Cert, Key string }

func newCertificates(t testing.TB, folder string) Certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca of a test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sign := func(template *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	return Certificates{
		CA:   write("ca.pem", "CERTIFICATE", sign(ca)),
		Cert: write("redis.pem", "CERTIFICATE", sign(leaf)),
		Key:  write("redis.key", "PRIVATE KEY", private),
	}
}
