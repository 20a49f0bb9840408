// Package users is for the people who sign in with a password: the file that lists them, and their hashes.
// It promises that a file is taken whole or refused with every mistake, that a change loses neither a
// comment nor another one's change, and that no hash costs more than a bounded time and memory.
// It must not know who asks for a user, nor what a user may do.
package users
