package s3

import "golang.org/x/sys/unix"

// newPages are zeroed bytes that the garbage collector knows nothing of. They are never unmapped: who reads
// them too late must find bytes, not the end of the process.
func newPages(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	return b
}

// dropPages gives the memory back and keeps the addresses. It is a hint: where it fails the memory stays.
func dropPages(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
