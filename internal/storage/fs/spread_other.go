//go:build !linux

package fs

// spread is a hint that only Linux takes.
func spread(string) {}
