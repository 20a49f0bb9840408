package main_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unsyncedFolders are those whose names and contents are not synced on purpose: nobody was told of them.
var unsyncedFolders = []string{"_tmp", "_pending", "_trash", "_uploads", "_locks"}

// unsynced judges the calls of a server that answers one request at a time: whenever it answers a success,
// everything that it has changed below its folder must have been synced by a sync that began after
// the change. It returns what a power cut behind an answer could take.
//
// A name that the server has found there counts as if it had made it: somebody else may have made it a
// moment ago, and then it is visible and not durable yet. A trace shows that for folders and links;
// other names that the server relies on are told in found.
func unsynced(dir string, calls []call, found ...string) (problems []string) {
	d := disk{dir: dir, content: map[string]int{}, names: map[string]int{}, durable: map[string]bool{}}
	for _, path := range found {
		d.names[filepath.Join(dir, path)] = 0
	}
	// A change counts from its end; what an answer rests on is what was there when it began.
	at := func(c call) int {
		if answersSuccess(c) {
			return c.begin
		}
		return c.end
	}
	for _, c := range slices.SortedStableFunc(slices.Values(calls), func(a, b call) int { return at(a) - at(b) }) {
		if answersSuccess(c) {
			for _, what := range d.loose() {
				problems = append(problems, fmt.Sprintf("line %d answers a success and rests on %s", c.begin, what))
			}
			continue
		}
		if early := d.apply(c); early != "" {
			problems = append(problems, early)
		}
	}
	return problems
}

func answersSuccess(c call) bool {
	return c.name == "write" && len(c.paths) == 0 && strings.Contains(c.text, `"HTTP/1.1 2`)
}

func isSync(c call) bool { return c.name == "fsync" || c.name == "fdatasync" }

// disk is what is not on the disk for sure.
type disk struct {
	dir     string
	content map[string]int  // files with bytes that were not synced, and the line of the last change
	names   map[string]int  // entries of folders, likewise
	durable map[string]bool // entries that were synced
}

// apply follows one call. A file gets its final name only when its bytes are synced: the name could
// become durable first.
func (d *disk) apply(c call) (early string) {
	exists := strings.Contains(c.text, "EEXIST")
	if len(c.paths) == 0 || c.result < 0 && !exists {
		return ""
	}
	path, to := c.paths[0], c.paths[len(c.paths)-1]
	switch c.name {
	case "write", "pwrite64", "ftruncate":
		d.content[path] = c.end
	case "openat":
		if strings.Contains(c.text, "O_CREAT") {
			d.changed(path, c.end, exists)
		}
		if strings.Contains(c.text, "O_TRUNC") {
			d.content[path] = c.end
		}
	case "mkdirat":
		d.changed(path, c.end, exists)
	case "unlinkat":
		delete(d.content, path)
		if strings.Contains(path, "/_manifests/tagged/") {
			break // an entry of a tag that comes back does no harm
		}
		d.changed(path, c.end, false)
	case "linkat", "renameat", "renameat2":
		if exists {
			break
		}
		if line, loose := d.content[path]; loose {
			d.content[to] = line
			if !d.exempt(to) {
				early = fmt.Sprintf("line %d names %s, whose bytes of line %d are not synced", c.end, to, line)
			}
		}
		if c.name != "linkat" {
			delete(d.content, path)
			d.changed(path, c.end, false)
		}
		d.changed(to, c.end, false)
	case "fsync", "fdatasync":
		d.synced(path, c.begin)
	}
	return early
}

func (d *disk) changed(path string, line int, found bool) {
	if found && d.durable[path] {
		return
	}
	d.names[path] = line
	delete(d.durable, path)
}

// synced follows a sync of a file, or of a folder, that began at a line.
func (d *disk) synced(path string, begin int) {
	if d.content[path] < begin {
		delete(d.content, path)
	}
	for name, line := range d.names {
		if filepath.Dir(name) == path && line < begin {
			delete(d.names, name)
			d.durable[name] = true
		}
	}
}

// loose lists what is not synced and should be.
func (d *disk) loose() (list []string) {
	for _, path := range slices.Sorted(maps.Keys(d.content)) {
		if !d.exempt(path) {
			list = append(list, fmt.Sprintf("the bytes of %s, written in line %d", path, d.content[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(d.names)) {
		if !d.exempt(path) {
			list = append(list, fmt.Sprintf("the name %s, changed in line %d", path, d.names[path]))
		}
	}
	return list
}

func (d *disk) exempt(path string) bool {
	below, inside := strings.CutPrefix(path, d.dir+"/")
	first, _, _ := strings.Cut(below, "/")
	return !inside || slices.Contains(unsyncedFolders, first)
}

const (
	tracedPut = `1 openat(AT_FDCWD</>, "/d/_tmp/x", O_RDWR|O_CREAT|O_EXCL, 0644) = 5</d/_tmp/x>
1 write(5</d/_tmp/x>, "see \"/d/y\"", 10) = 10
1 fsync(5</d/_tmp/x>) = 0
1 renameat(AT_FDCWD</>, "/d/_tmp/x", AT_FDCWD</>, "/d/a/x") = 0
1 fsync(6</d/a>) = 0
`
	tracedAnswer = `1 write(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 201 Created\r\n"..., 300) = 300
`
)

func TestAMissingSyncIsFoundInATrace(t *testing.T) {
	t.Parallel()
	without := func(line int, trace string) string {
		lines := strings.SplitAfter(trace, "\n")
		return strings.Join(slices.Delete(lines, line-1, line), "")
	}
	for _, test := range []struct {
		name  string
		trace string
		want  []string // a part of each problem
	}{
		{"all is synced before the answer", tracedPut + tracedAnswer, nil},
		{"the file is not synced", without(3, tracedPut) + tracedAnswer, []string{"line 3 names /d/a/x, whose bytes of line 2", "the bytes of /d/a/x"}},
		{"the file is synced behind its rename", `1 write(5</d/_tmp/x>, "x", 1) = 1
1 renameat(AT_FDCWD</>, "/d/_tmp/x", AT_FDCWD</>, "/d/a/x") = 0
1 fsync(5</d/a/x>) = 0
1 fsync(6</d/a>) = 0
` + tracedAnswer, []string{"line 2 names /d/a/x"}},
		{"the folder is not synced", without(5, tracedPut) + tracedAnswer, []string{"line 5 answers a success and rests on the name /d/a/x, changed in line 4"}},
		{"another folder is synced", without(5, tracedPut) + "1 fsync(6</d/b>) = 0\n" + tracedAnswer, []string{"the name /d/a/x"}},
		{"the sync fails", without(5, tracedPut) + "1 fsync(6</d/a>) = -1 EIO (Input/output error)\n" + tracedAnswer, []string{"the name /d/a/x"}},
		{"the sync of somebody else began before the rename", `2 fsync(7</d/a> <unfinished ...>
1 renameat(AT_FDCWD</>, "/d/_tmp/x", AT_FDCWD</>, "/d/a/x") = 0
2 <... fsync resumed>) = 0
` + tracedAnswer, []string{"the name /d/a/x, changed in line 2"}},
		{"the sync of somebody else began after the rename", `1 renameat(AT_FDCWD</>, "/d/_tmp/x", AT_FDCWD</>, "/d/a/x") = 0
2 fsync(7</d/a> <unfinished ...>
2 <... fsync resumed>) = 0
` + tracedAnswer, nil},
		{"the answer begins before the sync ends", without(5, tracedPut) + `2 fsync(7</d/a> <unfinished ...>
1 write(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 201 Created\r\n"..., 300 <unfinished ...>
2 <... fsync resumed>) = 0
1 <... write resumed>) = 300
`, []string{"the name /d/a/x"}},
		{"an empty file needs a name alone", `1 openat(AT_FDCWD</>, "/d/a/x", O_WRONLY|O_CREAT|O_EXCL, 0644) = 5</d/a/x>
` + tracedAnswer, []string{"the name /d/a/x"}},
		{"a link needs what a rename needs", `1 write(5</d/_tmp/x>, "x", 1) = 1
1 linkat(AT_FDCWD</>, "/d/_tmp/x", AT_FDCWD</>, "/d/a/x", 0) = 0
` + tracedAnswer, []string{"line 2 names /d/a/x", "the bytes of /d/a/x", "the name /d/a/x"}},
		{"a new folder is an entry of its parent", `1 mkdirat(AT_FDCWD</>, "/d/a", 0755) = 0
1 mkdirat(AT_FDCWD</>, "/d/a/b", 0755) = 0
1 fsync(5</d/a>) = 0
` + tracedAnswer, []string{"the name /d/a, changed in line 1"}},
		{"a folder that was found may be a moment old", `1 mkdirat(AT_FDCWD</>, "/d/a", 0755) = -1 EEXIST (File exists)
` + tracedAnswer, []string{"the name /d/a, changed in line 1"}},
		{"a folder that was synced once stays so", `1 mkdirat(AT_FDCWD</>, "/d/a", 0755) = 0
1 fsync(5</d>) = 0
1 mkdirat(AT_FDCWD</>, "/d/a", 0755) = -1 EEXIST (File exists)
` + tracedAnswer, nil},
		{"a delete is a change of a folder", `1 unlinkat(AT_FDCWD</>, "/d/a/x", 0) = 0
` + tracedAnswer, []string{"the name /d/a/x"}},
		{"nobody was told of sessions, drafts and locks", `1 openat(AT_FDCWD</>, "/d/_uploads/1.session", O_WRONLY|O_CREAT|O_EXCL, 0644) = 5</d/_uploads/1.session>
1 write(5</d/_uploads/1.session>, "x", 1) = 1
1 mkdirat(AT_FDCWD</>, "/d/_pending/a", 0755) = 0
1 openat(AT_FDCWD</>, "/d/_locks/1f", O_RDWR|O_CREAT, 0644) = 5</d/_locks/1f>
1 unlinkat(AT_FDCWD</>, "/d/_trash/a", 0) = 0
` + tracedAnswer, nil},
		{"an answer that is no success promises nothing", `1 unlinkat(AT_FDCWD</>, "/d/a/x", 0) = 0
` + strings.Replace(tracedAnswer, "201 Created", "500 Oh", 1), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := unsynced("/d", read(t, test.trace))
			if len(got) != len(test.want) {
				t.Fatalf("got %d problems, want %d: %q", len(got), len(test.want), got)
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q in it", got[i], want)
				}
			}
		})
	}
}

// read reads a trace that was written down.
func read(t *testing.T, trace string) (calls []call) {
	t.Helper()
	_, err := (&tracer{saw: func(c call) { calls = append(calls, c) }}).Write([]byte(trace))
	if err != nil {
		t.Fatal(err)
	}
	return calls
}
