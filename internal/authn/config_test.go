package authn

import (
	"reflect"
	"testing"
)

func TestAPublicIssuerWithoutRequiredClaimsIsAWarning(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.Token.Enabled = false
	config.OIDC = []ProviderConfig{{Name: "gh", Preset: "github-actions", Audience: []string{"sreg"}}}
	var warned []string
	config.Warn(func(path, _ string) { warned = append(warned, path) })
	if want := []string{"token.enabled", "oidc[0].required_claims"}; !reflect.DeepEqual(warned, want) {
		t.Errorf("got warnings of %v, want %v", warned, want)
	}
}
