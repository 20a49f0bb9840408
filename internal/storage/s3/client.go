package s3

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// isNotFound tells whether nothing lies under a key. A bucket that is not there is another error.
func isNotFound(err error) bool {
	var said smithy.APIError
	if errors.As(err, &said) && said.ErrorCode() == "NoSuchBucket" {
		return false
	}
	return status(err) == http.StatusNotFound
}

// isConflict tells whether the condition of a write did not hold: 412, or 409 with these codes where another
// write to the same key was under way. A write to a key that went is 404.
func isConflict(err error) bool {
	switch status(err) {
	case http.StatusPreconditionFailed:
		return true
	case http.StatusConflict:
		var said smithy.APIError
		return errors.As(err, &said) && (said.ErrorCode() == "ConditionalRequestConflict" || said.ErrorCode() == "OperationAborted")
	}
	return isNotFound(err)
}

// status is the one of the service's answer, 0 without one.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// failure says for which key a request failed.
func (s *Store) failure(what, key string, err error) error {
	return fmt.Errorf("%s %s%s: %w", what, s.prefix, key, err)
}
