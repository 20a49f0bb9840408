package users

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	goodLength  = 12 // characters
	goodVariety = 5  // different ones
)

// common are words that are tried first by whoever guesses passwords, alone and with digits and signs around
// them.
var common = strings.Fields(`
	abc abcd abcdef admin administrator access adobe alpine asdf asdfgh asdfghjkl azerty bailey baseball batman
	changeme changeit charlie cheese computer container default demo docker dragon example flower football
	freedom guest hello helloworld hunter iloveyou image jordan killer kubernetes letmein linux login lovely
	master michael monkey mustang mypass mypassword nothing operator passport passwd password
	passw0rd p@ssw0rd p@ssword pokemon princess pull push qazwsx qwer qwerty qwertyuiop qwertz registry root
	secret secretpassword shadow service soccer sreg starwars summer sunshine superman superuser system
	temp temporary test testing tester trustno trustno1 ubuntu user username welcome whatever winter zaq1zaq1
	correcthorsebatterystaple`)

// Weaknesses are the reasons why a password is easy to guess, each a sentence without a full stop. The name is
// the user's, or empty.
func Weaknesses(name, password string) []string {
	var found []string
	if n := utf8.RuneCountInString(password); n < goodLength {
		found = append(found, fmt.Sprintf("the password has %d characters, %d or more are hard to guess", n, goodLength))
	}
	lower := strings.ToLower(password)
	different := map[rune]bool{}
	for _, r := range lower {
		different[r] = true
	}
	if len(different) < goodVariety && password != "" {
		found = append(found, fmt.Sprintf("the password has only %d different characters", len(different)))
	}
	core := strings.TrimFunc(lower, func(r rune) bool { return r < 'a' || r > 'z' })
	for _, word := range common {
		if lower == word || core == word {
			found = append(found, "the password is one of those that guessers try first")
			break
		}
	}
	if !strings.ContainsFunc(lower, unicode.IsLetter) {
		found = append(found, "the password has no letter")
	}
	if len(name) > 2 && strings.Contains(lower, strings.ToLower(name)) {
		found = append(found, "the password contains the user's name")
	}
	return found
}
