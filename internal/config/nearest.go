package config

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

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
	if near, ok := nearest(key, beside); ok {
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

// nearest finds the word that a misspelt one was likely meant to be.
func nearest(word string, words []string) (string, bool) {
	best, bestDistance := "", max(2, len(word)/3+1)
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best, best != ""
}

// distance counts the slips between two words. Letters in a wrong order are
// one slip: levle is level.
func distance(a, b string) int {
	if a != b && sorted(a) == sorted(b) {
		return 1
	}
	return levenshtein.Distance(a, b, nil)
}

func sorted(word string) string {
	letters := []byte(word)
	slices.Sort(letters)
	return string(letters)
}
