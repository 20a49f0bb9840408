// Package spelling finds what a misspelt word was likely meant to be.
// It promises to find no word that has little in common with what was written.
// It must not know what the words are for.
package spelling

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest finds the word that a misspelt one was likely meant to be. Of words that are equally near it is the
// first.
func Nearest(misspelt string, words []string) (string, bool) {
	best, bestDistance := "", max(2, len(misspelt)/3+1)
	for _, w := range words {
		if d := distance(strings.ToLower(misspelt), strings.ToLower(w)); d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best, best != ""
}

// Hint ends a message about a misspelt word: ", did you mean level?", or nothing if no word is near.
func Hint(misspelt string, words []string) string {
	if near, ok := Nearest(misspelt, words); ok {
		return ", did you mean " + near + "?"
	}
	return ""
}

// distance counts the letters in which two words differ. Letters in a wrong order
// count as one: levle is level.
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
