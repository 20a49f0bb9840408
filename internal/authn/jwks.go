package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/outbound"
)

const (
	// keysAge is how old keys may get before they are fetched anew, beside the requests that use them.
	keysAge = time.Hour
	// A provider is asked fetchBurst times in a row, then once every fetchEvery: tokens with made-up key ids must
	// not make us ask it all the time.
	fetchBurst = 5
	fetchEvery = 10 * time.Second
	// fetchTimeout bounds a whole exchange with a provider, body and redirects included.
	fetchTimeout  = 10 * time.Second
	headerTimeout = fetchTimeout / 2
	// maxAnswer bounds what a provider answers: key sets have some KiB.
	maxAnswer = 1 << 20
	// maxRedirects bounds how often a provider sends us elsewhere on the same host.
	maxRedirects = 3
	// maxKeys bounds the keys that are tried.
	maxKeys = 100
	// minRSABits is the smallest RSA key that counts.
	minRSABits = 2048
)

// keySource is where a provider's keys come from. Providers with the same source share the keys.
type keySource struct {
	issuer  string
	jwksURI string      // "" = the discovery document says it
	cas     string      // in PEM
	copies  cache.Cache // of what other instances fetched from there; nil = there is no other one
}

// source is where the keys of the provider come from, and the CAs to verify its server by.
func (p ProviderConfig) source(copies cache.Cache) (keySource, *x509.CertPool, error) {
	roots, text, err := outbound.ReadCAs(p.CAFile)
	return keySource{issuer: p.Issuer, jwksURI: p.JWKSURI, cas: string(text), copies: copies}, roots, err
}

// keySet is the keys of one source. Those that were fetched last serve while the provider is down.
type keySet struct {
	source keySource
	client *http.Client
	log    *slog.Logger
	users  int             // guarded by the State's mu
	life   context.Context // ends when nobody uses the keys any more
	end    func()

	fetching singleflight.Group
	fetches  *rate.Limiter

	mu      sync.Mutex // guards the rest
	keys    []jose.JSONWebKey
	fetched time.Time
}

func newKeySet(source keySource, roots *x509.CertPool, log *slog.Logger) *keySet {
	life, end := context.WithCancel(context.Background())
	return &keySet{
		source: source, log: log, life: life, end: end, fetches: rate.NewLimiter(rate.Every(fetchEvery), fetchBurst),
		// A provider is trusted with its own tokens alone, so its answers are bounded.
		client: outbound.New(outbound.Options{
			TLS: &tls.Config{RootCAs: roots}, Proxies: true, Header: headerTimeout, Total: fetchTimeout, MaxBody: maxAnswer,
			Redirect: outbound.SameHost(maxRedirects),
		}),
	}
}

// verify returns the payload of a token that one of the keys signed.
func (s *keySet) verify(ctx context.Context, token string, allowed []jose.SignatureAlgorithm) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, allowed)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, errTokenForm
	}
	header := signed.Signatures[0].Protected
	candidates := s.candidates(header)
	if len(candidates) == 0 && s.copied(ctx) {
		candidates = s.candidates(header)
	}
	if len(candidates) == 0 {
		err := s.fetch(ctx)
		candidates = s.candidates(header)
		if err != nil && len(candidates) == 0 {
			return nil, errUnavailable // it may be signed with a key that is new
		}
	}
	for i := range candidates {
		if payload, err := signed.Verify(candidates[i].Key); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// candidates are the keys that may have signed: those of the token's key id, or all if it has none.
// Whatever else a header says of keys (jwk, jku, x5c, x5u) is not looked at.
func (s *keySet) candidates(header jose.Header) (list []jose.JSONWebKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.keys {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) {
			list = append(list, key)
		}
	}
	if len(list) > 0 && time.Since(s.fetched) > keysAge {
		s.refresh() // nobody waits for it
	}
	return list
}

// refresh fetches the keys, once for all who wait for it, as often as the bound allows. It ends with its time-out,
// or with life.
func (s *keySet) refresh() <-chan singleflight.Result {
	return s.fetching.DoChan("", func() (any, error) { return nil, s.load() })
}

// fetch gets the keys.
func (s *keySet) fetch(ctx context.Context) error {
	select {
	case result := <-s.refresh():
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *keySet) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys) == 0
}

// load asks the provider and keeps its answer. A failure leaves the keys that were there.
// Whoever waits for it may leave: the answer is for those who come, too.
func (s *keySet) load() error {
	if !s.fetches.Allow() {
		return errors.New("asked too often")
	}
	ctx, cancel := context.WithTimeout(s.life, fetchTimeout)
	defer cancel()
	keys, err := s.ask(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "the keys of an oidc provider cannot be fetched: tokens signed with a key that is not known are refused", "issuer", s.source.issuer, "error", clip(err.Error()))
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.fetched = keys, time.Now()
	return nil
}

func (s *keySet) ask(ctx context.Context) ([]jose.JSONWebKey, error) {
	uri := s.source.jwksURI
	if uri == "" {
		var err error
		if uri, err = s.discover(ctx); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", uri, answer.Status)
	}
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", uri, err)
	}
	keys, err := parseKeys(content)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", uri, err)
	}
	s.copy(ctx, content)
	return keys, nil
}

// discover finds the URL of the keys (OpenID Connect Discovery 1.0, section 4).
func (s *keySet) discover(ctx context.Context) (string, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, s.client), s.source.issuer)
	if err != nil {
		return "", fmt.Errorf("discover %s: %w", s.source.issuer, err)
	}
	var document struct {
		URI string `json:"jwks_uri"`
	}
	if err := found.Claims(&document); err != nil {
		return "", fmt.Errorf("discover %s: %w", s.source.issuer, err)
	}
	var problem string
	validateURL(document.URI, "jwks_uri", func(path, text string) { problem = path + ": " + text })
	if problem != "" {
		return "", fmt.Errorf("discover %s: %s", s.source.issuer, problem)
	}
	return document.URI, nil
}

// parseKeys reads the public signing keys of a set and leaves out all others: a key that we do not know
// must not hide those that we know.
func parseKeys(content []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && usable(key) && len(keys) < maxKeys {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no public key that signs")
	}
	return slices.Clip(keys), nil
}

func usable(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false // a private or a symmetric key, which a provider must not publish
}

// close ends what runs.
func (s *keySet) close() {
	s.end()
	_, _, _ = s.fetching.Do("", func() (any, error) { return nil, nil }) // waits for the fetch that runs
	s.client.CloseIdleConnections()
}

// clip bounds a text that a provider chose, for the log.
func clip(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
