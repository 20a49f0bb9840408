package outbound

import (
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge says that the body of an answer goes on behind its bound.
var ErrTooLarge = errors.New("the answer is too large")

// Limit bounds a body to a number of bytes: to read more is ErrTooLarge.
func Limit(body io.ReadCloser, most int64) io.ReadCloser {
	return &limitedBody{ReadCloser: body, most: most, left: most}
}

type limitedBody struct {
	io.ReadCloser
	most, left int64 // left is negative behind the bound
}

// Read reads what is left, and one byte more to see that there is none.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.tooLarge()
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n - 1, b.tooLarge()
	}
	return n, err
}

func (b *limitedBody) tooLarge() error { return fmt.Errorf("%w: over %d bytes", ErrTooLarge, b.most) }
