//go:build !linux

package fs

// renameNew renames a file unless the new name is taken.
func renameNew(from, to string) error { return linkNew(from, to) }

// spread is a hint that only Linux takes.
func spread(string) {}
