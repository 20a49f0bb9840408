package users

import (
	"testing"
)

func TestADecoyCostsWhatAUserCosts(t *testing.T) {
	t.Parallel()
	like := []Hash{mustParseHash(t, bcrypt5), mustParseHash(t, cheapArgon2id), mustParseHash(t, fullArgon2id)}
	decoys := NewDecoys(like)
	kinds := map[string]int{}
	for i := range 100 {
		name := string(rune('a' + i))
		h := decoys.For(name)
		if again := decoys.For(name); costOf(again) != costOf(h) {
			t.Errorf("%s costs %v, then %v", name, costOf(h), costOf(again))
		}
		if parsed := mustParseHash(t, h.Reveal()); parsed != h {
			t.Errorf("a decoy is no hash: %s", h.Reveal())
		}
		kinds[costOf(h)]++
	}
	for _, h := range like {
		if kinds[costOf(h)] == 0 {
			t.Errorf("of 100 decoys none costs %s", costOf(h))
		}
	}
	if len(kinds) != len(like) {
		t.Errorf("got decoys of %v, want those of the users alone", kinds)
	}
}

func TestADecoyOpensToNobodysPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{bcrypt5, cheapArgon2id} {
		decoy := NewDecoys([]Hash{mustParseHash(t, text)}).For("mallory")
		if decoy.Verify(password) {
			t.Errorf("the password of a user opens the decoy %s", decoy.Reveal())
		}
	}
}

func TestWithoutUsersADecoyCostsWhatANewHashCosts(t *testing.T) {
	t.Parallel()
	want := Hash{text: "$", argon2: preferred}
	if got := NewDecoys(nil).For("mallory"); costOf(got) != costOf(want) {
		t.Errorf("got %s, want %s", costOf(got), costOf(want))
	}
}

func costOf(h Hash) string {
	if h.bcrypt != 0 {
		return h.text[:bcryptHead]
	}
	a := h.argon2
	a.salt, a.sum = "", ""
	return a.text()
}
