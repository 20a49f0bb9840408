// Package oci holds the words of the OCI specifications as types: names, tags, digests, descriptors
// and manifests, each of which comes only from its parser.
// It promises that a value which exists is well-formed, so that the rest of sreg never checks again.
// It must not know where anything is stored, how it travels, or who asks for it.
package oci
