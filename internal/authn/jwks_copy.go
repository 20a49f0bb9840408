package authn

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
)

// keyCopy is a key set that one instance fetched and others begin with.
type keyCopy struct {
	Fetched time.Time       `json:"fetched"`
	Keys    json.RawMessage `json:"keys"`
}

// name is what a copy is called: only what comes from the same source, by the same CAs, is a copy of it.
func (s keySource) name() string { return cache.Key("jwks", s.issuer, s.jwksURI, s.cas) }

// copy lets other instances begin with what the provider said.
func (s *keySet) copy(ctx context.Context, content []byte) {
	if s.source.copies == nil {
		return
	}
	value, err := json.Marshal(keyCopy{Fetched: time.Now().UTC(), Keys: content})
	if err != nil {
		return // it is no JSON, and parsing it said so
	}
	s.source.copies.Set(ctx, s.source.name(), value, keysAge)
}

// copied takes over what another instance fetched, if that is newer than what is here. What cannot be read
// is no copy.
func (s *keySet) copied(ctx context.Context) bool {
	if s.source.copies == nil {
		return false
	}
	value, ok := s.source.copies.Get(ctx, s.source.name())
	if !ok || len(value) > maxAnswer {
		return false
	}
	var found keyCopy
	if json.Unmarshal(value, &found) != nil {
		return false
	}
	keys, err := parseKeys(found.Keys)
	age := time.Since(found.Fetched)
	// A time to come is that of no clock that can be trusted.
	if err != nil || age > keysAge || age < -time.Minute {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !found.Fetched.After(s.fetched) {
		return false
	}
	s.keys, s.fetched = keys, found.Fetched
	return true
}
