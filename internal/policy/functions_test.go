package policy

import (
	"testing"
)

func TestWhatExpressionsSay(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"request.namespace.glob('team/*')":                                        "true",
		"request.namespace.glob('team')":                                          "false",
		"request.namespace.glob('**')":                                            "true",
		"identity.client_ip == '10.1.2.3'":                                        "true",
		"identity.client_ip.in_cidr('10.0.0.0/8')":                                "true",
		"identity.client_ip.in_cidr('10.2.0.0/16')":                               "false",
		"identity.username.in_cidr('10.0.0.0/8')":                                 "error",
		"identity.groups.contains('ops')":                                         "true",
		"identity.groups.contains('op')":                                          "false",
		"request.namespace.contains('am/ap')":                                     "true",
		"'v1.2.3'.is_semver() && '1.2.3-rc.1+x'.is_semver()":                      "true",
		"'v1'.is_semver() || '1.2'.is_semver() || 'latest'.is_semver()":           "false",
		"'1.2.0-rc.1'.is_prerelease() && !'1.2.0'.is_prerelease()":                "true",
		"'v1.10.0'.semver_compare('1.9.0') > 0":                                   "true",
		"request.reference.semver_compare('1.0.0') > 0":                           "error",
		"identity.client_ip.matches('^10([.][0-9]{1,3}){3}$')":                    "true",
		"matches(identity.client_ip, '^10[.]')":                                   "true",
		"identity.client_ip.matches('^' + identity.groups[0] + '{3}$')":           "false",
		"identity.username.matches(identity.username + '{1}')":                    "true",
		"identity.username.matches(identity.username + '(')":                      "error",
		"has(identity.oidc)":                                                      "false",
		"has(identity.certificate) && identity.certificate.serial == null":        "true",
		"identity.groups.exists(g, g == 'ops')":                                   "true",
		"identity == null":                                                        "false",
		"identity.certificate == identity.certificate":                            "true",
		"request.tags == []":                                                      "true",
		"identity.groups.map(a, identity.groups.map(b, a + b)).size() == 2":       "true",
		"identity.groups.all(a, [1,2,3,4,5,6,7,8,9,10].map(b, b * 2).size() > 1)": "true",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			q := pull(t, "alice", "team/app")
			if got := outcome(compile(t, Global, Config{Default: "deny", Rules: rules(expr)}), q); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
