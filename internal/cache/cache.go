// Package cache is the contract between sreg and what keeps small answers for a while: those of webhooks,
// sign-in keys, and who is throttled.
// It promises nothing but speed and agreement between instances: an entry may be gone at any time, and
// whoever asks for it can do without.
// It must not know what an entry means.
package cache
