package users

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Hashes of "correct horse" that other programs have made: argon2 of the reference implementation, and
// htpasswd of Apache.
const (
	password      = "correct horse"
	cheapArgon2id = "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$JHP+3w2PUJ5VQtxDHCjdoAAEC+JztcwU/LWpmtUl7XQ"
	fullArgon2id  = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$LeZbD3UAKvUcACx9il4XPtXtFiDX3/ScRE4eQjOYNyM"
	bcrypt5       = "$2y$05$/N3n9u5AYFFcOiEOKLtxL.KJ1ClCGN/8ZZk/eKZDbO0OEa5sAKBWm"
	bcrypt10      = "$2y$10$zs5T.1kU/dBPrIYOwLQWEuhqbIGxEvDRKdyD7NoYJCbTQ.aRH1WpW"
	// bcryptOf72 is the hash of 72 times a.
	bcryptOf72 = "$2y$05$LIGEXbVY8CU7WIrLLl3A5eEGHkPEmYyp85OPvcspSTw.WL7BxG95C"
)

func mustParseHash(t testing.TB, text string) Hash {
	t.Helper()
	h, err := ParseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestANewHashOpensToItsPasswordAlone(t *testing.T) {
	t.Parallel()
	h, err := NewHash(password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h.Reveal(), "$argon2id$v=19$m=65536,t=3,p=1$") {
		t.Errorf("got %s, want the second recommended option of RFC 9106 on one thread", h.Reveal())
	}
	if !h.Verify(password) || h.Rehash() {
		t.Errorf("the right password: got %t, and that the hash is weak: %t", h.Verify(password), h.Rehash())
	}
	for _, wrong := range []string{"", "correct hors", "correct horse ", "Correct horse", strings.Repeat("x", maxPassword+1)} {
		if h.Verify(wrong) {
			t.Errorf("%.20q opens the hash of another password", wrong)
		}
	}
	if again := mustParseHash(t, h.Reveal()); again != h {
		t.Errorf("parsed again: got %s, want %s", again.Reveal(), h.Reveal())
	}
}

func TestTwoHashesOfOnePasswordHaveTheirOwnSalts(t *testing.T) {
	t.Parallel()
	var salts [2]string
	for i := range salts {
		h, err := NewHash(password)
		if err != nil {
			t.Fatal(err)
		}
		salts[i] = h.argon2.salt
	}
	if salts[0] == salts[1] || len(salts[0]) != saltSize {
		t.Errorf("got salts %x, want different ones of %d bytes", salts, saltSize)
	}
}

func TestHashesOfOtherPrograms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, hash, password string
		ok, rehash           bool
	}{
		{"argon2 with little work is right and to be made again", cheapArgon2id, password, true, true},
		{"argon2 with the work of the RFC stays", fullArgon2id, password, true, false},
		{"argon2 does not open to another password", fullArgon2id, "Correct horse", false, false},
		{"bcrypt of the default cost is right and to be made again", bcrypt5, password, true, true},
		{"bcrypt of cost 10 is right and to be made again", bcrypt10, password, true, true},
		{"bcrypt of version 2a is the same", strings.Replace(bcrypt5, "2y", "2a", 1), password, true, true},
		{"bcrypt of version 2b is the same", strings.Replace(bcrypt5, "2y", "2b", 1), password, true, true},
		{"bcrypt does not open to another password", bcrypt5, "Correct horse", false, true},
		{"bcrypt of 72 bytes opens to them", bcryptOf72, strings.Repeat("a", 72), true, true},
		{"bcrypt does not open to what only begins with them", bcryptOf72, strings.Repeat("a", 73), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := mustParseHash(t, tt.hash)
			if ok, rehash := h.Verify(tt.password), h.Rehash(); ok != tt.ok || rehash != tt.rehash {
				t.Errorf("got right %t and weak %t, want %t and %t", ok, rehash, tt.ok, tt.rehash)
			}
		})
	}
}

func TestNoHashOpensToNothing(t *testing.T) {
	t.Parallel()
	for _, try := range []string{"", "x"} {
		if (Hash{}).Verify(try) {
			t.Errorf("no hash opens to %q", try)
		}
	}
}

func TestHashesThatAreRefused(t *testing.T) {
	t.Parallel()
	const salt, sum = "c2FsdHNhbHRzYWx0c2FsdA", "JHP+3w2PUJ5VQtxDHCjdoAAEC+JztcwU/LWpmtUl7XQ"
	argon2id := func(parameters string) string { return "$argon2id$v=19$" + parameters + "$" + salt + "$" + sum }
	tests := []struct{ name, hash, want string }{
		{"nothing", "", "there is no hash"},
		{"a password", "hunter22", "no hash but a password"},
		{"MD5 of Apache", "$apr1$UZyBmpVN$ax5tGkFnV37YKPtmpCxLU1", "MD5 as Apache has it (apr1)"},
		{"MD5 of crypt", "$1$abcdefgh$0123456789012345678901", "MD5 of crypt"},
		{"SHA-1", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1, want Argon2id or bcrypt"},
		{"SHA-1 with a salt", "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1 with a salt"},
		{"SHA-256 of crypt", "$5$rounds=5000$abc$def", "SHA-256 of crypt"},
		{"SHA-512 of crypt", "$6$abc$def", "SHA-512 of crypt"},
		{"DES of crypt", "rqXexS6ZhobKA", "DES of crypt"},
		{"an unknown kind", "$y$j9T$abc$def", "of an unknown kind"},
		{"bcrypt with the old bug", strings.Replace(bcrypt5, "2y", "2x", 1), "a version that is broken"},
		{"bcrypt without a version letter", strings.Replace(bcrypt5, "2y", "2", 1), "a version that is broken"},
		{"bcrypt that is cut", bcrypt5[:59], "the bcrypt hash is malformed"},
		{"bcrypt with more behind it", bcrypt5 + "a", "the bcrypt hash is malformed"},
		{"bcrypt with a strange letter", bcrypt5[:59] + "=", "the bcrypt hash is malformed"},
		{"bcrypt with a cost that is no number", strings.Replace(bcrypt5, "$05$", "$+5$", 1), "the bcrypt hash is malformed"},
		{"bcrypt too cheap", strings.Replace(bcrypt5, "$05$", "$04$", 1), "has cost 4, want 5 to 14"},
		{"bcrypt too expensive", strings.Replace(bcrypt5, "$05$", "$15$", 1), "has cost 15, want 5 to 14"},
		{"Argon2i", strings.Replace(cheapArgon2id, "argon2id", "argon2i", 1), "Argon2i, want Argon2id"},
		{"Argon2d", strings.Replace(cheapArgon2id, "argon2id", "argon2d", 1), "Argon2d, want Argon2id"},
		{"another version", strings.Replace(cheapArgon2id, "v=19", "v=16", 1), "another version than 19"},
		{"no version", "$argon2id$m=65536,t=3,p=1$" + salt + "$" + sum, "another version than 19"},
		{"gigabytes", argon2id("m=4194304,t=1,p=1"), "too expensive"},
		{"more memory than a server has to spare", argon2id("m=262145,t=1,p=1"), "too expensive"},
		{"minutes", argon2id("m=65536,t=1000,p=1"), "too expensive"},
		{"more work than a second", argon2id("m=262144,t=5,p=1"), "too expensive"},
		{"numbers whose product is small after an overflow", argon2id("m=2147483648,t=2147483648,p=1"), "malformed"},
		{"too little memory", argon2id("m=7167,t=20,p=1"), "too cheap"},
		{"too little work", argon2id("m=16384,t=1,p=1"), "too cheap"},
		{"no pass", argon2id("m=65536,t=0,p=1"), "too cheap"},
		{"no thread", argon2id("m=65536,t=3,p=0"), "has p=0"},
		{"many threads", argon2id("m=65536,t=3,p=5"), "has p=5"},
		{"parameters in another order", argon2id("t=3,m=65536,p=1"), "malformed"},
		{"a parameter twice", argon2id("m=65536,m=65536,p=1"), "malformed"},
		{"a parameter too many", argon2id("m=65536,t=3,p=1,keyid=a"), "malformed"},
		{"a number with a sign", argon2id("m=+65536,t=3,p=1"), "malformed"},
		{"a number with a zero before it", argon2id("m=065536,t=3,p=1"), "malformed"},
		{"a short salt", "$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$" + sum, "salt of 4 bytes, want 8 to 64"},
		{"a long salt", "$argon2id$v=19$m=65536,t=3,p=1$" + strings.Repeat("a", 100) + "$" + sum, "salt of 75 bytes"},
		{"a short sum", "$argon2id$v=19$m=65536,t=3,p=1$" + salt + "$c2FsdA", "hash of 4 bytes, want 16 to 64"},
		{"a long sum", "$argon2id$v=19$m=65536,t=3,p=1$" + salt + "$" + strings.Repeat("a", 1<<20), "hash of 786432 bytes"},
		{"base64 with padding", fullArgon2id + "=", "malformed"},
		{"base64 with bits that count for nothing", fullArgon2id[:len(fullArgon2id)-1] + "N", "malformed"},
		{"a line break in base64", argon2id("m=65536,t=3,p=1") + "\n", "malformed"},
		{"a field too many", fullArgon2id + "$more", "malformed"},
		{"a field too few", "$argon2id$v=19$m=65536,t=3,p=1$" + salt, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, err := ParseHash(tt.hash)
			if err == nil || h != (Hash{}) {
				t.Fatalf("got %v, %v, want that it is refused", h, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasSuffix(err.Error(), "set the password again") {
				t.Errorf("got %q, want %q and what to do", err, tt.want)
			}
			if tt.hash != "" && strings.Contains(err.Error(), tt.hash) {
				t.Errorf("got %q, which repeats the text", err)
			}
		})
	}
}

func TestPasswordsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "a\nb", "a\x00b", "a\x7fb", "\xff\xfe", strings.Repeat("x", maxPassword+1)} {
		if h, err := NewHash(bad); err == nil {
			t.Errorf("%.20q: got a hash %v, want an error", bad, h)
		}
	}
}

func TestAHashNeverPrints(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	for _, text := range []string{fullArgon2id, bcrypt5} {
		u := User{Name: "alice", Hash: mustParseHash(t, text)}
		encoded, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		slog.New(slog.NewJSONHandler(&log, nil)).Info("a user", "user", u, "hash", u.Hash)
		slog.New(slog.NewTextHandler(&log, nil)).Info("a user", "user", u, "hash", u.Hash)
		shown := fmt.Sprintf("%v %+v %s %q %x %#v %v", u, u, u.Hash, u.Hash, u.Hash, u.Hash, &u) + string(encoded) + log.String()
		if part := text[len(text)-20:]; strings.Contains(shown, part) || strings.Contains(shown, fmt.Sprintf("%x", part)) {
			t.Errorf("the hash is seen in %s", shown)
		}
		if !strings.Contains(shown, u.Hash.Algorithm()+" ***") {
			t.Errorf("want the algorithm in %s", shown)
		}
	}
}

// FuzzParseHash looks for a text that is taken for a hash although it is another way to write one, or one
// whose work is out of bounds.
func FuzzParseHash(f *testing.F) {
	for _, seed := range []string{cheapArgon2id, fullArgon2id, bcrypt5, bcrypt10, "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "$argon2id$v=19$m=1,t=1,p=1$$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHash(text)
		if err != nil {
			if h != (Hash{}) {
				t.Fatalf("got a hash and %v", err)
			}
			return
		}
		if h.Reveal() != text || h.IsZero() {
			t.Fatalf("got %q, want %q", h.Reveal(), text)
		}
		if h.Algorithm() == "bcrypt" {
			if h.bcrypt < minBcryptCost || h.bcrypt > maxBcryptCost {
				t.Fatalf("got cost %d", h.bcrypt)
			}
			return
		}
		work := uint64(h.argon2.memory) * uint64(h.argon2.passes)
		if h.argon2.memory > maxMemory || work < minWork || work > maxWork || h.argon2.threads < 1 || h.argon2.threads > maxThreads {
			t.Fatalf("got %+v", h.argon2)
		}
		if h.argon2.text() != text {
			t.Fatalf("got %q written as %q", text, h.argon2.text())
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h, err := NewHash(password)
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		hash Hash
	}{
		{"argon2id", h},
		{"dearest", Hash{text: "$", argon2: argon2id{memory: maxMemory, passes: maxWork / maxMemory, threads: 1, salt: "saltsaltsaltsalt", sum: strings.Repeat("x", sumSize)}}},
		{"bcrypt10", mustParseHash(b, bcrypt10)},
		{"bcrypt5", mustParseHash(b, bcrypt5)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.hash.Verify(password)
			}
		})
	}
}
