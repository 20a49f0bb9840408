package users

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sample is a file with everything that may stand in one. A stands for a hash of Argon2id, B for bcrypt.
var sample = hashes(`# Who may push. Ask the platform team.

alice:A:dev,ops:2027-01-31
  # a comment with space before it
bob:B
carol:A::2027-01-31T18:00:00+02:00

dave@example.com:B:dev
`)

func hashes(text string) string {
	return strings.NewReplacer(":A", ":"+fullArgon2id, ":B", ":"+bcrypt5).Replace(text)
}

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	t.Parallel()
	f := parse(t, sample)
	argon, bcrypt := mustParseHash(t, fullArgon2id), mustParseHash(t, bcrypt5)
	want := []User{
		{Name: "alice", Hash: argon, Groups: []string{"dev", "ops"}, Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), Line: 3},
		{Name: "bob", Hash: bcrypt, Line: 5},
		{Name: "carol", Hash: argon, Expires: time.Date(2027, 1, 31, 16, 0, 0, 0, time.UTC), Line: 6},
		{Name: "dave@example.com", Hash: bcrypt, Groups: []string{"dev"}, Line: 8},
	}
	same := func(a, b User) bool {
		return a.Name == b.Name && a.Hash == b.Hash && slices.Equal(a.Groups, b.Groups) && a.Expires.Equal(b.Expires) && a.Line == b.Line
	}
	if got := f.Users(); !slices.EqualFunc(got, want, same) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if f.String() != sample {
		t.Errorf("got another text:\n%s", f)
	}
}

func TestMistakesInAFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string // what each line of the error begins with, and contains after it
	}{
		{"all of them are told, with their lines", "alice:A\n\nbob:{SHA}x\n# c\ncarol\nalice:B\n", []string{
			"line 3: bob: the hash is SHA-1", "line 5: the line has no colon", "line 6: alice: the user is on line 1 already",
		}},
		{"more than one in a line", "bob:plain:a,,a:tomorrow\n", []string{
			"line 1: bob: this is no hash", "line 1: bob: group 2: the name is empty", "line 1: bob: the expiry is wrong: want a date",
		}},
		{"an empty name", ":A", []string{"line 1: the name is empty"}},
		{"a name with a space", "al ice:A", []string{`line 1: the name "al ice" has a space`}},
		{"a name with a space before it", " alice:A", []string{`line 1: the name " alice" has`}},
		{"a name with a comma", "a,b:A", []string{`line 1: the name "a,b" has`}},
		{"a name that is a sign-in of a provider", "ci/subject:A", []string{`line 1: the name "ci/subject" has a slash`}},
		{"a name that is not ASCII", "älice:A", []string{`line 1: the name "älice" has`}},
		{"a byte order mark", "\ufeffalice:A", []string{`line 1: the name "\ufeffalice" has`}},
		{"a name that is long", strings.Repeat("n", 129) + ":A", []string{"line 1: the name has 129 bytes"}},
		{"no hash", "alice:", []string{"line 1: alice: there is no hash"}},
		{"a space after the hash", "alice:A ", []string{"line 1: alice: the Argon2id hash is malformed"}},
		{"a group twice", "alice:A:dev,ops,dev", []string{"line 1: alice: group dev is named twice"}},
		{"a group with a space", "alice:A:dev, ops", []string{`line 1: alice: group 2: the name " ops" has`}},
		{"far too many groups", "alice:A:" + groups(101), []string{"line 1: alice: the user is in 101 groups"}},
		{"a day that does not exist", "alice:A:dev:2027-02-30", []string{"line 1: alice: the expiry is wrong: want a date like"}},
		{"an expiry with a comma for a point", "alice:A:dev:2027-02-03T00:00:00,5Z", []string{"line 1: alice: the expiry is wrong"}},
		{"the year of no expiry", "alice:A:dev:0001-01-01", []string{"line 1: alice: the expiry is wrong"}},
		{"a field too many", "alice:A:dev:2027-01-01:x", []string{"line 1: alice: the expiry is wrong"}},
		{"a line that is far too long", "alice:" + strings.Repeat("x", maxLine), []string{"line 1: the line has 16390 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse(strings.NewReader(hashes(tt.text)))
			var mistakes *Error
			if !errors.As(err, &mistakes) || f != nil {
				t.Fatalf("got %v, %v, want no file and an *Error", f, err)
			}
			got := strings.Split(err.Error(), "\n")
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func groups(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("g%d", i))
	}
	return strings.Join(names, ",")
}

func TestAMistakeNeverRepeatsAPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"alice:tr0ub4dor\n", "tr0ub4dor\n", "alice:$apr1$tr0ub4dor\n", "alice:{SHA}tr0ub4dor\n"} {
		if _, err := Parse(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "tr0ub4dor") {
			t.Errorf("%q: got %v, want an error that does not repeat it", text, err)
		}
	}
}

func TestAHostileFileIsBounded(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"of many bytes", "#" + strings.Repeat("x", maxFile), "it is over 8388608 bytes"},
		{"of many lines", strings.Repeat("\n", maxLines+1), "it has over 100000 lines"},
		{"of many mistakes", strings.Repeat("x\n", maxLines), "and 99000 other mistakes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(strings.NewReader(tt.text))
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got %.200v, want %q", err, tt.want)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "users")
	writeFile(t, path, "alice\n")
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":1: the line has no colon") {
		t.Errorf("got %v, want the mistake with the path and line", err)
	}
	if _, err := Load(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
	writeFile(t, path, sample)
	if f, err := Load(path); err != nil || len(f.Users()) != 4 {
		t.Errorf("got %v, %v, want the 4 users", f, err)
	}
}

func TestLoadDoesNotWaitForAPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, t.TempDir()} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: got %v, want that it is no regular file", path, err)
		}
	}
}

func TestChangesKeepWhatTheyAreNotAbout(t *testing.T) {
	t.Parallel()
	eve := User{Name: "eve", Hash: mustParseHash(t, fullArgon2id), Groups: []string{"ops"}}
	add := func(f *File) error { return f.Add(eve) }
	set := func(name string, change func(*User)) func(*File) error {
		return func(f *File) error {
			u, err := f.Find(name)
			if err != nil {
				return err
			}
			change(&u)
			return f.Set(u)
		}
	}
	rehash := func(u *User) { u.Hash = mustParseHash(t, fullArgon2id) }
	regroup := func(u *User) { u.Groups = []string{"ops"} }
	forever := func(u *User) { u.Expires = time.Time{} }
	tests := []struct {
		name, before string
		change       func(*File) error
		want         string
	}{
		{"a user is added at the end", "# c\n\nbob:B\n#d\n", add, "# c\n\nbob:B\n#d\neve:A:ops\n"},
		{"a user is added to nothing", "", add, "eve:A:ops\n"},
		{"a last line without its break gets one", "bob:B", add, "bob:B\neve:A:ops\n"},
		{"line breaks are those of the file", "# c\r\nbob:B", add, "# c\r\nbob:B\r\neve:A:ops\r\n"},
		{"a changed line keeps its break", "# c\r\nbob:B\r\n", set("bob", regroup), "# c\r\nbob:B:ops\r\n"},
		{"a changed last line still has none", "# c\nbob:B", set("bob", regroup), "# c\nbob:B:ops"},
		{"a new hash keeps groups and expiry", "bob:B:dev:2027-01-31\n", set("bob", rehash), "bob:A:dev:2027-01-31\n"},
		{"a time keeps its zone", "bob:B:dev:2027-01-31T18:00:00+02:00\n", set("bob", rehash), "bob:A:dev:2027-01-31T18:00:00+02:00\n"},
		{"an expiry needs no group", "bob:B:dev:2027-01-31\n", set("bob", func(u *User) { u.Groups = nil }), "bob:B::2027-01-31\n"},
		{"without an expiry the field goes", "bob:B:dev:2027-01-31\n", set("bob", forever), "bob:B:dev\n"},
		{"a user is removed, and nothing else", "# c\nbob:B\n\n# d\ncarol:A\n", func(f *File) error { return f.Remove("bob") }, "# c\n\n# d\ncarol:A\n"},
		{"other lines may be wrong", "bob:{SHA}x\ncarol:B\nno colon\n", set("carol", rehash), "bob:{SHA}x\ncarol:A\nno colon\n"},
		{"a new hash mends a weak one", "bob:{SHA}x:dev:2027-01-31\n", set("bob", rehash), "bob:A:dev:2027-01-31\n"},
		{"a user is removed from wrong lines, too", "bob:B\nbob:x:,:y\n", func(f *File) error { return f.Remove("bob") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := read(strings.NewReader(hashes(tt.before)))
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.change(f); err != nil {
				t.Fatal(err)
			}
			if want := hashes(tt.want); f.String() != want {
				t.Errorf("got  %q\nwant %q", f, want)
			}
		})
	}
}

func TestChangesThatAreRefusedChangeNothing(t *testing.T) {
	t.Parallel()
	hash := mustParseHash(t, fullArgon2id)
	find := func(name string) func(*File) error {
		return func(f *File) error { _, err := f.Find(name); return err }
	}
	tests := []struct {
		name, before string
		change       func(*File) error
		is           error
		want         string
	}{
		{"a user cannot be added twice", "bob:B\n", func(f *File) error { return f.Add(User{Name: "bob", Hash: hash}) }, ErrExists, "the user exists already: bob"},
		{"a bad name cannot be added", "", func(f *File) error { return f.Add(User{Name: "b:b", Hash: hash}) }, nil, "has a colon"},
		{"a user without a hash cannot be added", "", func(f *File) error { return f.Add(User{Name: "bob"}) }, nil, "there is no hash"},
		{"a bad group cannot be added", "", func(f *File) error { return f.Add(User{Name: "bob", Hash: hash, Groups: []string{"a\nb"}}) }, nil, "group 1"},
		{"an unknown user cannot be found", "bob:B\n", find("bib"), ErrUnknown, "no such user: bib"},
		{"nobody cannot be found", "# c\nno colon\n", find(""), ErrUnknown, "no such user"},
		{"an unknown user cannot be set", "bob:B\n", func(f *File) error { return f.Set(User{Name: "bib", Hash: hash}) }, ErrUnknown, "no such user: bib"},
		{"an unknown user cannot be removed", "bob:B\n", func(f *File) error { return f.Remove("bib") }, ErrUnknown, "no such user: bib"},
		{"nobody cannot be removed", "# c\n", func(f *File) error { return f.Remove("") }, ErrUnknown, "no such user"},
		{"a misspelt expiry is not lost", "bob:B:dev:2027-13-01\n", find("bob"), nil, "1: bob: the expiry is wrong"},
		{"a misspelt expiry beside a weak hash is not lost", "bob:x:dev:2027-13-01\n", find("bob"), nil, "1: bob: the expiry is wrong"},
		{"a user of two lines is neither", "bob:B\nbob:A\n", find("bob"), nil, "2: bob: the user is on line 1 already"},
		{"a weak hash is not kept", "bob:{SHA}x\n", func(f *File) error {
			u, err := f.Find("bob")
			if err != nil {
				return err
			}
			u.Groups = []string{"ops"}
			return f.Set(u)
		}, nil, "there is no hash: set the password again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := read(strings.NewReader(hashes(tt.before)))
			if err != nil {
				t.Fatal(err)
			}
			err = tt.change(f)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if f.String() != hashes(tt.before) {
				t.Errorf("got another text:\n%s", f)
			}
		})
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		expires time.Time
		now     time.Time
		want    bool
	}{
		{"never", time.Time{}, end, false},
		{"the moment before", end, end.Add(-1), false},
		{"at the moment", end, end, true},
		{"in another zone", end, end.In(time.FixedZone("", 3600)), true},
	}
	for _, tt := range tests {
		if got := (User{Expires: tt.expires}).Expired(tt.now); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestWeaknesses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, user, password string
		want                 []string
	}{
		{"a long one of many letters is good", "alice", "plover kettle ninety", nil},
		{"one of another alphabet is good", "alice", "чайник девяносто", nil},
		{"a generated one is good", "", "ZK7QW2N4T6XJ3M5R", nil},
		{"short", "alice", "plov3r#Kett", []string{"has 11 characters, 12 or more"}},
		{"characters count, not bytes", "alice", "äöüßŵŷê", []string{"has 7 characters"}},
		{"common, with a number behind it", "alice", "Password2026!", []string{"guessers try first"}},
		{"common, with digits in it", "", "trustno1", []string{"8 characters", "guessers try first"}},
		{"long and common", "", "correcthorsebatterystaple", []string{"guessers try first"}},
		{"few letters", "", "abababababababab", []string{"only 2 different"}},
		{"digits alone", "", "314159265358979", []string{"no letter"}},
		{"the user's name", "alice", "12 ALICE plover 34", []string{"the user's name"}},
		{"a name of two letters is in many words", "li", "plover kettle lining", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Weaknesses(tt.user, tt.password); !slices.EqualFunc(got, tt.want, strings.Contains) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzParse looks for a file that does not keep its bytes, or whose users cannot be written.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{sample, "", "\n", "alice", ":::", "a:b:c:d:e", "# c\r\n\r\nbob:x\r\n", hashes("a:A:,:\n"), hashes("a:B::0001-01-01\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := read(strings.NewReader(text))
		if err != nil {
			return
		}
		if file.String() != text {
			t.Fatalf("got %q, want %q", file, text)
		}
		var mistakes *Error
		if err := file.Check(); err != nil && !errors.As(err, &mistakes) {
			t.Fatalf("got %v, want an *Error", err)
		}
		for _, u := range file.Users() {
			if err := u.check(); err != nil {
				t.Fatalf("%+v cannot stand in a file: %v", u, err)
			}
			again := parseLine(u.line()+"\n", u.Line)
			if len(again.problems) > 0 || again.user.Name != u.Name || again.user.Hash != u.Hash || !slices.Equal(again.user.Groups, u.Groups) || !again.user.Expires.Equal(u.Expires) {
				t.Fatalf("got %+v, want %+v", again, u)
			}
		}
		for _, name := range file.Names() {
			if err := file.Remove(name); err != nil {
				t.Fatalf("remove %s: %v", name, err)
			}
		}
		if left := file.Users(); len(left) > 0 {
			t.Fatalf("got %v after all were removed", left)
		}
	})
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
