package registry_test

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

func TestManyReferrersAtOnce(t *testing.T) {
	t.Parallel()
	const count, pushers = 500, 10
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder), newWorld(t, folder)}
	clients[0].must(clients[0].pushImage(app, "one", tagV1))
	atOnce(pushers, func(p int) {
		for i := p; i < count; i += pushers {
			pusher := registrytest.Pusher{To: clients[i%2].reg}
			if err := pusher.PushManifest(t.Context(), app, sbomOfOne.Note(fmt.Sprint(i)).Content); err != nil {
				t.Errorf("push referrer %d: %v", i, err)
			}
		}
	})
	for _, c := range clients {
		all, err := c.reg.Referrers(t.Context(), app, imageOne.Digest)
		if err != nil || len(all) != count {
			t.Errorf("%d referrers, %v, want %d", len(all), err, count)
		}
	}
}
