// Package access holds the words that authentication and authorization share: what is asked for, and
// who asks.
// It promises that a Request was parsed once, so that router, policy, metrics and logs read the same.
// It must not know how anybody proves who they are, nor what anybody may do.
package access
