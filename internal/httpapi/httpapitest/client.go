// Package httpapitest pushes to a registry over HTTP and pulls from it, for tests.
// It promises that a push sends what most clients send, and that a pull compares every byte.
// It must not know how the registry behind the address is built or run.
package httpapitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
)

// Client asks the registry at an address.
type Client struct {
	HTTP          *http.Client
	Base          string // such as http://127.0.0.1:5000
	Authorization string // the header of that name, unless it is empty
}

// Answer is what the registry said.
type Answer struct {
	Request string // its method and path
	Status  int
	Header  http.Header
	Body    string
}

// RefusedError is an answer that is no success.
type RefusedError struct{ Answer }

func (r *RefusedError) Error() string {
	return fmt.Sprintf("%s: %d %s", r.Request, r.Status, strings.TrimSpace(r.Body))
}

// Refused says whether an error is an answer of that status.
func Refused(err error, status int) bool {
	var r *RefusedError
	return errors.As(err, &r) && r.Status == status
}

// Info is the one OCI error in the body.
func (a Answer) Info() (oci.ErrorInfo, error) {
	var body oci.ErrorBody
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil || len(body.Errors) != 1 {
		return oci.ErrorInfo{}, errors.Join(fmt.Errorf("%s: want one OCI error, got %.300q", a.Request, a.Body), err)
	}
	return body.Errors[0], nil
}

// Send sends a request. An answer that is no success is a RefusedError.
func (c Client) Send(ctx context.Context, method, path, contentType, body string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Authorization != "" {
		req.Header.Set("Authorization", c.Authorization)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, err
	}
	got := Answer{Request: method + " " + path, Status: res.StatusCode, Header: res.Header, Body: string(text)}
	if got.Status/100 != 2 {
		return got, &RefusedError{got}
	}
	return got, nil
}
