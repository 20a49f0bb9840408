package fs

import "os"

// linkNew renames a file unless the new name is taken, in two steps: between them both names lead
// to the same bytes, which every reader takes for a live object.
func linkNew(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return skipGone(os.Remove(from))
}
