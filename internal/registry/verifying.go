package registry

import (
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// verifying compares what a service sends with the digest that was asked for. Read from its start to its
// end, content that has another digest never comes whole: the last read fails instead. A part of it cannot
// be compared, only its length.
type verifying struct {
	io.ReadSeekCloser
	digest oci.Digest
	info   storage.Info
	hash   hash.Hash // of all before at; nil if a seek has left some out
	at     int64
}

func newVerifying(content io.ReadSeekCloser, d oci.Digest, info storage.Info) *verifying {
	return &verifying{ReadSeekCloser: content, digest: d, info: info, hash: d.Algorithm().New()}
}

// Read reads, and holds back what would make wrong content whole.
func (v *verifying) Read(p []byte) (int, error) {
	n, err := v.ReadSeekCloser.Read(p)
	v.at += int64(n)
	if v.hash == nil {
		return n, err
	}
	v.hash.Write(p[:n])
	switch {
	case v.at > v.info.Size:
		return 0, v.wrong(fmt.Sprintf("more than its %d bytes", v.info.Size))
	case v.at == v.info.Size && n > 0:
		if got := oci.NewDigest(v.digest.Algorithm(), v.hash.Sum(nil)); got != v.digest {
			return 0, v.wrong(got.String())
		}
	case v.at < v.info.Size && errors.Is(err, io.EOF):
		return 0, v.wrong(fmt.Sprintf("%d of its %d bytes", v.at, v.info.Size))
	}
	return n, err
}

// Until says where reading ends, until the next Seek. The service is asked for no more, and a part cannot be compared.
func (v *verifying) Until(end int64) {
	if content, ok := v.ReadSeekCloser.(interface{ Until(end int64) }); ok && end < v.info.Size {
		v.hash = nil
		content.Until(end)
	}
}

// wrong says what came, and where it lies, which is for the log alone.
func (v *verifying) wrong(got string) error {
	return damaged(blobKey(v.digest)+" at "+string(v.info.DataKey), fmt.Errorf("want %s, got %s", v.digest, got))
}

// Seek goes elsewhere. Only from the start is it known what the whole is.
func (v *verifying) Seek(offset int64, whence int) (int64, error) {
	at, err := v.ReadSeekCloser.Seek(offset, whence)
	if err != nil {
		return at, err
	}
	switch {
	case at == 0:
		v.hash = v.digest.Algorithm().New()
	case at != v.at:
		v.hash = nil
	}
	v.at = at
	return at, nil
}
