package router

import (
	"log/slog"
	"net/http"
	"strconv"
)

// StatusClientGone is what metrics and log show for a request whose client went away before it had the
// whole answer. Nobody receives it.
const StatusClientGone = 499

// Failure is how an error is shown.
type Failure struct {
	Status int
	Body   []byte
}

// fail answers an error. The server's own failures are logged.
func (rt *Router) fail(r *http.Request, x *exchange, table *Table, err error) {
	w, req := &x.response, &x.request
	begun := w.Status != 0
	failure := table.Describe(w.Header(), r, req, err)
	x.outcome = failure.Status
	if failure.Status >= http.StatusInternalServerError {
		if w.gone || r.Context().Err() != nil {
			x.outcome = StatusClientGone
		} else {
			rt.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed",
				slog.String("request_id", req.Question.Transport.RequestID),
				slog.String("client_request_id", req.Question.Transport.ClientRequestID), slog.String("action", string(req.Action)),
				slog.String("namespace", req.Namespace.String()), slog.Any("error", err))
		}
	}
	if begun {
		// Only ending the connection tells the client that the answer is cut short.
		panic(http.ErrAbortHandler)
	}
	x.setUsual(table)
	failure.write(w, r.Method)
}

func (f Failure) write(w *Response, method string) {
	header := w.Header()
	w.Set("Content-Length", strconv.Itoa(len(f.Body)))
	delete(header, "Etag")
	// A cache may keep a 404 by itself, for who may see more, or for later (RFC 9110, 15.1).
	header["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(f.Status)
	if method != http.MethodHead {
		// A client that does not read its error is gone.
		_, _ = w.Write(f.Body)
	}
}
