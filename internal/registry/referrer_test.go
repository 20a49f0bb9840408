package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
)

func TestManyReferrersAtOnce(t *testing.T) {
	t.Parallel()
	const count, pushers = 500, 10
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder), newWorld(t, folder)}
	clients[0].must(clients[0].pushImage(app, "one", tagV1))
	atOnce(pushers, func(p int) {
		for i := p; i < count; i += pushers {
			content := strings.Replace(string(referrerManifest()), "{", fmt.Sprintf(`{"n":%d,`, i), 1)
			_, err := clients[i%2].reg.PutManifest(t.Context(), app, registry.Push{ContentType: "application/vnd.example.sbom+json", Content: []byte(content)})
			if err != nil {
				t.Errorf("push referrer %d: %v", i, err)
			}
		}
	})
	for _, c := range clients {
		all, err := c.reg.Referrers(t.Context(), app, imageDigest("one"))
		if err != nil || len(all) != count {
			t.Errorf("%d referrers, %v, want %d", len(all), err, count)
		}
	}
}
