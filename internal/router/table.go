package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
)

// Table is a set of routes that belong together: how their paths are read, and how their errors look.
type Table struct {
	// Routes are found by resource and method. A HEAD has the route of its GET.
	Routes []Route
	// Split finds what a path names. It reports whether the path is one of this table; one that names
	// nothing there has the zero Path.
	Split func(r *http.Request) (Path, bool)
	// Parse reads what the path and the query name into the request, whose action is set. It may set another
	// action of the same resource.
	Parse func(r *http.Request, path Path, req *access.Request) error
	// Denied is the error of a request that was denied. Without one the handler answers all the same: as if
	// what is asked for did not exist.
	Denied func(ctx context.Context, req *Request, decision access.Decision) error
	// Header is what every answer has, unless its handler says otherwise. The values are shared.
	Header []HeaderField
	// Usual is what every answer has but the successes of lean routes.
	Usual []HeaderField
	// Describe is how an error is shown. It sets the header fields of its answer, such as Content-Type.
	Describe func(header http.Header, r *http.Request, req *Request, err error) Failure
}

// HeaderField is a header field whose value never changes. Its name is in canonical form.
type HeaderField struct {
	Name  string
	Value []string
}

// Route is one line of a table: a resource and a method, the action that is asked for, and who answers.
type Route struct {
	Resource Resource
	Method   string
	Action   access.Action
	Handle   Handler
	// Lean leaves out of a success what no client of it needs: what is usual, and a request id that the client has
	// not sent. A map of more than eight fields costs a tenth of a small answer.
	Lean bool
	// Streams says that the handler uses the body while it comes, as an upload does. Every other body is short, and its
	// client has less time for it.
	Streams bool
	// Direct says that it is also found without Options.Path, by whoever does not come through the proxy.
	Direct bool
}

// Resource is what a path names, by a number of its table. 0 is nothing.
type Resource uint8

// Handler answers one request. It writes success, and returns errors instead of writing them.
type Handler func(w *Response, r *http.Request, req *Request) error

// Path is a path, split and not parsed yet.
type Path struct {
	Resource  Resource
	Named     bool // it has a namespace, however malformed
	Namespace string
	Last      string // the last component: a reference, a digest, a session
}

// ErrNoRoute says that a path names nothing.
var ErrNoRoute = errors.New("nothing is here")

// MethodError says that a resource does not have a method.
type MethodError struct {
	Method  string
	Allowed []string
}

func (e *MethodError) Error() string {
	return fmt.Sprintf("method %s is not supported here, use one of %s", e.Method, strings.Join(e.Allowed, ", "))
}

// find looks up the route of a request, and parses the request once for everybody behind it. The table is
// never nil: it describes the error.
func (l *Listener) find(r *http.Request, req *access.Request) (table *Table, route *Route, err error) {
	var path Path
	for i := range l.Tables {
		table = &l.Tables[i]
		var found bool
		if path, found = table.Split(r); found {
			break
		}
	}
	// A slash that a client hides from the proxies before us by encoding it is not a slash here.
	hidden := r.URL.RawPath != "" && strings.Contains(strings.ToLower(r.URL.RawPath), "%2f")
	if hidden || path.Resource == 0 {
		return table, nil, ErrNoRoute
	}
	if route, err = table.route(path.Resource, r.Method); err != nil {
		return table, nil, err
	}
	req.Action = route.Action
	return table, route, table.Parse(r, path, req)
}

func (t *Table) route(resource Resource, method string) (*Route, error) {
	wanted := method
	if method == http.MethodHead {
		wanted = http.MethodGet
	}
	for i := range t.Routes {
		if route := &t.Routes[i]; route.Resource == resource && route.Method == wanted {
			return route, nil
		}
	}
	return nil, &MethodError{Method: method, Allowed: t.methodsOf(resource)}
}

func (t *Table) methodsOf(resource Resource) []string {
	var methods []string
	for _, route := range t.Routes {
		if route.Resource != resource {
			continue
		}
		methods = append(methods, route.Method)
		if route.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return methods
}
