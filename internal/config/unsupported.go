package config

import (
	"regexp"
	"slices"
	"strings"
)

// unsupported are the keys of sreg's configuration whose part this version
// does not have, and the values, as key=value. They are refused by name: a
// policy that is silently ignored would be a door left open.
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

// unsupportedValue reports whether the table names this value of the key.
func unsupportedValue(path, value string) bool {
	return unsupportedKey(path + "=" + value)
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
