package config

import (
	"regexp"
	"slices"
	"strings"
)

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
