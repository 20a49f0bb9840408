//go:build !linux

package s3

// newPages are zeroed bytes.
func newPages(n int) []byte { return make([]byte, n) }

// dropPages is for Linux alone.
func dropPages([]byte) {}
