package worlds

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

// layout is how a registry lays out what it stores. Several goroutines write to one, no two of them
// the same thing.
type layout interface {
	// blob stores bytes that no namespace holds yet.
	blob(b blob) error
	// link lets a namespace hold a blob.
	link(namespace string, d oci.Digest) error
	// manifest stores one in a namespace, with its tag and what its subject knows of it.
	manifest(namespace string, m manifest) error
	// namespace is called once for each, last.
	namespace(name string) error
}

// folder writes files that are as old as the world. It syncs nothing: who loses a world makes it anew.
type folder struct {
	root string
	at   time.Time
}

func (f folder) put(path string, content []byte) error {
	full := f.root + "/" + path
	err := os.WriteFile(full, content, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeParents(full); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		err = os.WriteFile(full, content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Chtimes(full, f.at, f.at)
}

// makeParents tries the nearest folder alone first: nearly always the one above it is there.
func makeParents(path string) error {
	parent := filepath.Dir(path)
	err := os.Mkdir(parent, 0o755)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return os.MkdirAll(parent, 0o755)
	}
	return err
}
