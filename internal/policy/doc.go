// Package policy is for rules in CEL: who may do what, and what retention keeps.
// It promises that a rule is checked completely when it is compiled, that every mistake is reported with its
// line, its column and what to write instead, and that a decision says which rule made it.
// It must not know stores, servers or the network: the caller passes everything that a rule may look at.
package policy
