package config

import "github.com/sreg-project/sreg/internal/document"

// unknown says that a key is unknown, and which was likely meant: one beside
// it that is written nearly so, or one of that name elsewhere.
func (c *checker) unknown(in *shape, key, path string) string {
	if unsupportedKey(document.Join(path, key)) {
		return notSupported
	}
	beside := make([]string, 0, len(in.fields))
	for _, f := range in.fields {
		beside = append(beside, f.key)
	}
	if message, ok := document.NearestKey(path, key, beside); ok {
		return message
	}
	elsewhere := ""
	c.root.walk("", func(p string, s *shape) {
		if s.key == key && elsewhere == "" {
			elsewhere = p
		}
	})
	if elsewhere != "" {
		return "unknown key, did you mean " + elsewhere + "?"
	}
	return "unknown key"
}
