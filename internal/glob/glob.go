// Package glob matches names against patterns such as team/*.
// It promises one meaning of a pattern wherever one is written, and a time that no pattern can make grow without bound.
// It must not know what the names are of.
package glob

import "strings"

// Match reports whether a pattern fits a whole text: * is any run of characters but /, ** any run
// at all, ? one character but /. Anything else is itself. Its time grows with the product of both lengths.
func Match(pattern, text string) bool {
	// fits[i] is whether the part of the pattern that was read fits the first i bytes of the text.
	var short [256]bool // as long as a namespace may be
	fits := short[:]
	if len(text) >= len(short) {
		fits = make([]bool, len(text)+1)
	}
	fits[0] = true
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = strings.TrimLeft(pattern, "*")
			for i := range len(text) {
				fits[i+1] = fits[i+1] || fits[i]
			}
		case pattern[0] == '*':
			pattern = pattern[1:]
			for i := range len(text) {
				fits[i+1] = fits[i+1] || (fits[i] && text[i] != '/')
			}
		default:
			if !step(fits, pattern[0], text) {
				return false
			}
			pattern = pattern[1:]
		}
	}
	return fits[len(text)]
}

// step reads one character of the pattern, and reports whether any beginning of the text still fits.
func step(fits []bool, want byte, text string) bool {
	left := false
	for i := len(text) - 1; i >= 0; i-- {
		fits[i+1] = fits[i] && (text[i] == want || (want == '?' && text[i] != '/'))
		left = left || fits[i+1]
	}
	fits[0] = false
	return left
}
