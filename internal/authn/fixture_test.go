package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/users"
)

// list is users in memory.
type list map[string]users.User

// listed is a list and a way to verify passwords.
type listed struct {
	users  list
	verify func(hash users.Hash, password string) bool
}

func (l listed) Lookup(name string) (users.User, bool) {
	user, ok := l.users[name]
	return user, ok
}

func (listed) Decoy(string) users.Hash { return hashOf("decoy") }

func (l listed) Verify(hash users.Hash, password string) bool {
	return l.verify(hash, password)
}

// hashOf is a hash for tests: as unlike passwords as any, and quick. That of a password that begins so is weak.
func hashOf(password string) users.Hash {
	sum := sha256.Sum256([]byte("salt" + password))
	cost := "m=65536,t=3,p=1"
	if strings.HasPrefix(password, "weak") {
		cost = "m=7168,t=5,p=1"
	}
	hash, err := users.ParseHash("$argon2id$v=19$" + cost + "$c2FsdHNhbHRzYWx0c2FsdA$" + base64.RawStdEncoding.EncodeToString(sum[:]))
	if err != nil {
		panic(err) // it has the form of one
	}
	return hash
}

func newUser(name, password string, groups ...string) users.User {
	return users.User{Name: name, Hash: hashOf(password), Groups: groups}
}

// verifier counts what it verifies, and can be held up.
type verifier struct {
	count atomic.Int64
	gate  chan struct{} // nil = open
}

func (v *verifier) verify(hash users.Hash, password string) bool {
	v.count.Add(1)
	if v.gate != nil {
		<-v.gate
	}
	return hash == hashOf(password)
}

// keysInMemory is a KeyStore.
type keysInMemory struct {
	mu  sync.Mutex
	key []byte
}

func (k *keysInMemory) Load(context.Context) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return nil, fs.ErrNotExist
	}
	return k.key, nil
}

func (k *keysInMemory) Create(_ context.Context, key []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		k.key = key
	}
	return k.key, nil
}

// logged is a log that many write to.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// fixture is an Authenticator and all around it.
type fixture struct {
	*Authenticator
	opts     Options
	users    list
	verifier *verifier
	log      *logged
	metrics  *prometheus.Registry
}

// newFixture knows alice, whose password is "right". change may change all of it.
func newFixture(t testing.TB, change func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{users: list{"alice": newUser("alice", "right", "dev")}, verifier: &verifier{}, log: &logged{}, metrics: prometheus.NewRegistry()}
	state := NewState(f.metrics)
	t.Cleanup(state.Close)
	f.opts = Options{
		Config: DefaultConfig(), Keys: &keysInMemory{}, State: state,
		Logger:      slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		ExternalURL: &url.URL{Scheme: "https", Host: "sreg.test"},
	}
	f.opts.Config.UsersFile = "users" // somebody can sign in
	if change != nil {
		change(f)
	}
	f.Authenticator = f.again(t)
	return f
}

// again makes another Authenticator with the same state, as a reload does.
func (f *fixture) again(t testing.TB) *Authenticator {
	t.Helper()
	opts := f.opts
	if opts.Users == nil {
		opts.Users = listed{f.users, f.verifier.verify}
	}
	a, err := New(opts)
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	return a
}

func (f *fixture) attempts(method Method, r result) float64 {
	return testutil.ToFloat64(f.opts.State.metrics.attempts[method][r])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var client = netip.MustParseAddr("192.0.2.7")

func basic(user, password string) Credentials {
	c := Password(user, secret.New(password))
	c.Client = client
	return c
}

func bearer(token string) Credentials {
	return Credentials{scheme: schemeBearer, secret: secret.New(token), Client: client}
}

// ask is Authenticate where an error ends the test.
func ask(t testing.TB, a *Authenticator, c Credentials) (access.Identity, Outcome) {
	t.Helper()
	identity, outcome, err := a.Authenticate(t.Context(), c)
	must(t, err)
	return identity, outcome
}

func acceptedBy(method Method, until time.Time) Outcome {
	return Outcome{access.SignIn{Token: method == Token, Until: until}, method}
}

// tokenFor gets a token at the token service.
func tokenFor(t testing.TB, a *Authenticator, c Credentials) TokenAnswer {
	t.Helper()
	answer, err := a.Token(t.Context(), TokenRequest{Credentials: c, Offline: true})
	must(t, err)
	return answer
}

func get(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
	r.RemoteAddr = client.String() + ":4711"
	for _, value := range header {
		r.Header.Add("Authorization", value)
	}
	return r
}

func basicHeader(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func countLines(text, part string) int {
	n := 0
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
