package config

import "github.com/sreg-project/sreg/internal/spelling"

// unknown says that a key is unknown, and which was likely meant: one beside
// it that is written nearly so, or one of that name elsewhere.
func (c *checker) unknown(in *shape, key, path string) string {
	if unsupportedKey(join(path, key)) {
		return notSupported
	}
	beside := make([]string, 0, len(in.fields))
	for _, f := range in.fields {
		beside = append(beside, f.key)
	}
	if near, ok := spelling.Nearest(key, beside); ok {
		return "unknown key, did you mean " + join(path, near) + "?"
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
