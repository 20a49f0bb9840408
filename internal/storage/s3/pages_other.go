//go:build !linux

package s3

// pages are zeroed bytes.
func pages(n int) []byte { return make([]byte, n) }

// dropPages is for Linux alone.
func dropPages([]byte) {}
