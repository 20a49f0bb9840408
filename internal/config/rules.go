package config

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/spelling"
)

// validate lets each section check its values, and then checks what concerns
// several sections.
func (l *loader) validate(cfg *Config, sources Sources) {
	before := l.found
	report := func(key, problem string) {
		if !l.unread[key] && !before.about(key) {
			l.found = append(l.found, Problem{Origin: sources.Of(key), Key: key, Message: problem})
		}
	}
	cfg.Server.Validate(below("server", report))
	cfg.Storage.validate(below("storage", report))
	cfg.Locks.Validate(below("locks", report))
	cfg.validateRedis(report)
	cfg.Registry.Validate(below("registry", report))
	cfg.Auth.Validate(below("auth", report))
	cfg.GC.Validate(below("gc", report))
	cfg.Log.Validate(below("log", report))
	cfg.validateRepositories(report)
	cfg.validateWebhooks(report)
	cfg.requirePolicy(report)
	l.validatePolicies(cfg, report, sources)
}

// below puts what a section reports under the section's key.
func below(section string, report func(key, problem string)) func(path, problem string) {
	return func(path, problem string) { report(document.Join(section, path), problem) }
}

func (s Storage) validate(report func(path, problem string)) {
	s.Blobs.validate(below("blobs", report))
	if s.Metadata == nil {
		return
	}
	s.Metadata.validate(below("metadata", report))
	switch {
	case s.Metadata.Type != s.Blobs.Type:
	case s.Blobs.Type == "s3":
		if s.Metadata.S3.SameKeys(s.Blobs.S3) {
			report("metadata.s3.prefix", "is the place of storage.blobs: leave out storage.metadata to share it")
		}
	case s.Metadata.FS.Root != "" && filepath.Clean(s.Metadata.FS.Root) == filepath.Clean(s.Blobs.FS.Root):
		report("metadata.fs.root", "is the folder of storage.blobs: leave out storage.metadata to share it")
	}
}

func (s Store) validate(report func(path, problem string)) {
	if s.Type == "s3" {
		s.S3.Validate(below("s3", report))
		return
	}
	s.FS.Validate(below("fs", report))
}

// validateRedis wants redis.url if locks or the cache are kept in Redis.
func (c *Config) validateRedis(report func(key, problem string)) {
	c.Redis.Validate(below("redis", report))
	if c.Redis.URL != "" {
		return
	}
	if c.Locks.Type == "redis" {
		report("redis.url", "missing, and locks.type is redis: want redis://host:6379/0 or rediss://host:6379/0")
	}
	if c.Cache.Type == "redis" {
		report("redis.url", "missing, and cache.type is redis: want redis://host:6379/0 or rediss://host:6379/0")
	}
}

func (c *Config) validateRepositories(report func(key, problem string)) {
	names := make([]string, len(c.Repositories))
	for i, r := range c.Repositories {
		r.Validate(below(fmt.Sprintf("repositories[%d]", i), report))
		names[i] = r.Name
	}
	refuseTwice("repositories", names, report)
}

// refuseTwice reports the elements of a list that have the name of one before.
func refuseTwice(list string, names []string, report func(key, problem string)) {
	firstOf := map[string]int{}
	for i, name := range names {
		if first, twice := firstOf[name]; twice && name != "" {
			report(fmt.Sprintf("%s[%d].name", list, i), fmt.Sprintf("%q is taken by %s[%d]", name, list, first))
			continue
		}
		firstOf[name] = i
	}
}

func (c *Config) validateWebhooks(report func(key, problem string)) {
	names := make([]string, len(c.Webhooks))
	for i, w := range c.Webhooks {
		at := fmt.Sprintf("webhooks[%d]", i)
		w.Validate(below(at, report))
		if w.Name == policy.NoWebhook {
			report(at+".name", "none means no webhook where one is named: choose another name")
		}
		names[i] = w.Name
	}
	refuseTwice("webhooks", names, report)
	if c.Policy != nil {
		c.findWebhook("policy.webhook", c.Policy.Webhook, report)
	}
	for i, r := range c.Repositories {
		if r.Policy != nil {
			c.findWebhook(fmt.Sprintf("repositories[%d].policy.webhook", i), r.Policy.Webhook, report)
		}
	}
}

// findWebhook reports a webhook that a policy names and that is not there.
func (c *Config) findWebhook(key, name string, report func(key, problem string)) {
	if name == "" {
		return
	}
	known := []string{policy.NoWebhook}
	for _, w := range c.Webhooks {
		known = append(known, w.Name)
	}
	if slices.Contains(known, name) {
		return
	}
	hint := "add it to webhooks"
	if near, ok := spelling.Nearest(name, known); ok {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	report(key, fmt.Sprintf("there is no webhook %q: %s", name, hint))
}

// requirePolicy refuses a listener that other computers reach, unless there is a
// policy.
func (c *Config) requirePolicy(report func(key, problem string)) {
	if c.Policy != nil {
		return
	}
	for i, l := range c.Server.Listeners {
		address, err := server.ParseAddress(l.Address)
		if err != nil || address.Private() {
			continue
		}
		report(fmt.Sprintf("server.listeners[%d].address", i), fmt.Sprintf(
			"other computers may reach %q, and without a policy anybody there may push, pull and delete: "+
				"listen on 127.0.0.1, or say that this is meant with policy: {default: allow} in the file, or SREG_POLICY_DEFAULT=allow",
			l.Address))
	}
}
