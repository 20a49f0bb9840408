package cache_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/cache/memory"
)

// TestSealedBelievesItsOwnValuesAlone tries what somebody can do who writes to the place.
func TestSealedBelievesItsOwnValuesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, place := t.Context(), memory.New(bytesize.MiB)
		sealed := cache.NewSealed(place)
		sealed.Set(ctx, "early", []byte("value"), time.Hour)
		if _, ok := place.Get(ctx, "early"); ok {
			t.Error("something was kept without a key")
		}
		sealed.Unseal([]byte("key"))
		sealed.Set(ctx, "name", []byte("value"), time.Minute)
		stored, _ := place.Get(ctx, "name")
		put := func(name string, change func([]byte) []byte) {
			place.Set(ctx, name, change(bytes.Clone(stored)), time.Hour)
		}
		put("moved", func(b []byte) []byte { return b })
		put("changed", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		put("cut", func(b []byte) []byte { return b[:len(b)-1] })
		put("longer", func(b []byte) []byte { return append(b, 'x') })
		put("lasting", func(b []byte) []byte { b[32]++; return b })
		put("short", func(b []byte) []byte { return b[:3] })
		put("empty", func([]byte) []byte { return nil })
		put("plain", func([]byte) []byte { return []byte("value, as somebody writes it who knows of no key") })
		for _, name := range []string{"moved", "changed", "cut", "longer", "lasting", "short", "empty", "plain"} {
			if got, ok := sealed.Get(ctx, name); ok {
				t.Errorf("%s: got %q, want a miss", name, got)
			}
		}
		other := cache.NewSealed(place)
		if _, ok := other.Get(ctx, "name"); ok {
			t.Error("got a value without a key")
		}
		other.Unseal([]byte("another key"))
		if _, ok := other.Get(ctx, "name"); ok {
			t.Error("got a value by another key")
		}
		put("name", func(b []byte) []byte { return b }) // for an hour
		if got, ok := sealed.Get(ctx, "name"); !ok || string(got) != "value" {
			t.Errorf("got %q, %v, want the value", got, ok)
		}
		time.Sleep(time.Minute)
		if _, ok := sealed.Get(ctx, "name"); ok {
			t.Error("got a value that was made to last")
		}
		sealed.Set(ctx, "large", make([]byte, cache.MaxValue), time.Hour)
		sealed.Set(ctx, "gone", []byte("value"), time.Hour)
		sealed.Delete(ctx, "gone")
		for _, name := range []string{"large", "gone"} {
			if _, ok := sealed.Get(ctx, name); ok {
				t.Errorf("got what is %s", name)
			}
		}
	})
}
