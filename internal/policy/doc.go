// Package policy is for rules in CEL: who may do what, and what retention keeps.
// It promises that a rule is checked whole when it is compiled, that every mistake is told with its
// place and a way out, and that a decision says which rule made it.
// It must not know stores, servers or the network: whoever asks brings all that a rule may look at.
package policy
