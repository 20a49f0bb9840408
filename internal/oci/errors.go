package oci

import (
	"errors"
	"strconv"
	"strings"
)

// The errors of the parsers. They are wrapped with what was wanted and what was got.
var (
	ErrDigestInvalid        = errors.New("invalid digest")
	ErrUnsupportedAlgorithm = errors.New("unsupported digest algorithm")
	ErrNameInvalid          = errors.New("invalid repository name")
	ErrTagInvalid           = errors.New("invalid tag")
	ErrManifestInvalid      = errors.New("invalid manifest")
	// ErrManifestUnsupported says that the manifest has Docker's schema 1.
	ErrManifestUnsupported = errors.New("unsupported manifest")
)

// ErrorCode is what a client branches on.
type ErrorCode string

// The codes of the distribution specification, and after them those that the Docker registry added
// and clients know.
const (
	CodeBlobUnknown         ErrorCode = "BLOB_UNKNOWN"
	CodeBlobUploadInvalid   ErrorCode = "BLOB_UPLOAD_INVALID"
	CodeBlobUploadUnknown   ErrorCode = "BLOB_UPLOAD_UNKNOWN"
	CodeDigestInvalid       ErrorCode = "DIGEST_INVALID"
	CodeManifestBlobUnknown ErrorCode = "MANIFEST_BLOB_UNKNOWN"
	CodeManifestInvalid     ErrorCode = "MANIFEST_INVALID"
	CodeManifestUnknown     ErrorCode = "MANIFEST_UNKNOWN"
	CodeNameInvalid         ErrorCode = "NAME_INVALID"
	CodeNameUnknown         ErrorCode = "NAME_UNKNOWN"
	CodeSizeInvalid         ErrorCode = "SIZE_INVALID"
	CodeUnauthorized        ErrorCode = "UNAUTHORIZED"
	CodeDenied              ErrorCode = "DENIED"
	CodeUnsupported         ErrorCode = "UNSUPPORTED"
	CodeTooManyRequests     ErrorCode = "TOOMANYREQUESTS"

	CodeTagInvalid              ErrorCode = "TAG_INVALID"
	CodeRangeInvalid            ErrorCode = "RANGE_INVALID"
	CodePaginationNumberInvalid ErrorCode = "PAGINATION_NUMBER_INVALID"
	CodeUnavailable             ErrorCode = "UNAVAILABLE"
	CodeUnknown                 ErrorCode = "UNKNOWN"
)

// ErrorInfo is one error of an answer.
type ErrorInfo struct {
	Code    ErrorCode `json:"code"`
	Message string    `json:"message"`
	Detail  any       `json:"detail,omitempty"`
}

// ErrorBody is the body of every answer to a request that failed.
type ErrorBody struct {
	Errors []ErrorInfo `json:"errors"`
}

// quote shows what was got, and no more of it than a line holds.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}

// pathError says where in a document something is wrong.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }

func (e *pathError) Unwrap() error { return e.err }

// at puts a step before the path of an error; the path is built only when there is an error.
func at(step string, err error) error {
	if err == nil {
		return nil
	}
	var inner *pathError
	if !errors.As(err, &inner) {
		return &pathError{path: step, err: err}
	}
	if !strings.HasPrefix(inner.path, "[") {
		step += "."
	}
	return &pathError{path: step + inner.path, err: inner.err}
}

// atKey is at with a key that a client chose, which may be long and hold anything.
func atKey(key []byte, err error) error {
	if err == nil {
		return nil
	}
	for _, c := range key {
		if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return at(quote(string(key)), err)
		}
	}
	return at(string(key[:min(len(key), 80)]), err)
}
