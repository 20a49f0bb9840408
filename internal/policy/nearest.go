package policy

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

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
