package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/document"
)

// unknown says that a key is unknown, and which was likely meant: one beside
// it that is written nearly so, or one of that name elsewhere.
func (c *checker) unknown(in *shape, key, path string) string {
	if unsupportedKey(document.Join(path, key)) {
		return notSupported
	}
	beside := make([]string, 0, len(in.fields))
	for _, f := range in.fields {
		beside = append(beside, f.key)
	}
	if message, ok := document.NearestKey(path, key, beside); ok {
		return message
	}
	elsewhere := ""
	c.root.walk("", func(p string, s *shape) {
		if s.key == key && elsewhere == "" {
			elsewhere = p
		}
	})
	if elsewhere != "" {
		return "unknown key, did you mean " + elsewhere + "?"
	}
	return "unknown key" + document.KeyHint(key)
}

// unsupported are the keys of sreg's configuration that this version cannot
// serve yet. They are refused by name: whoever sets one relies on it.
var unsupported = []string{
	"metrics", "proxy", "tracing", "ui",
	"server.tls.acme", "auth.oidc[].login",
	"repositories[].upstreams", "repositories[].proxies", "repositories[].tag_ttl",
	"repositories[].platforms", "repositories[].prefetch",
}

const notSupported = "not supported by this version of sreg"

var indices = regexp.MustCompile(`\[[0-9]+\]`)

// unsupportedKey reports whether the table names the key.
func unsupportedKey(path string) bool {
	return slices.Contains(unsupported, indices.ReplaceAllString(path, "[]"))
}

// unsupportedVariable finds the key of the table that an environment variable
// would set, or a key below it.
func unsupportedVariable(name string) (string, bool) {
	for _, key := range unsupported {
		variable := variableOf(key)
		if name == variable || strings.HasPrefix(name, variable+"_") {
			return key, true
		}
	}
	return "", false
}
