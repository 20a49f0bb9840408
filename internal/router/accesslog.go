package router

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// record is a request in the access log: attributes for programs, one line for people.
type record struct {
	request  *http.Request
	exchange *exchange
	took     time.Duration
}

func (rt *Router) logAccess(r *http.Request, x *exchange, took time.Duration) {
	rt.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.Any("", record{r, x, took}))
}

// LogValue are the attributes. One with a unit has it in its name.
func (rec record) LogValue() slog.Value {
	x, req := rec.exchange, &rec.exchange.request
	return slog.GroupValue(
		slog.String("request_id", req.Question.Transport.RequestID),
		slog.String("client_request_id", req.Question.Transport.ClientRequestID),
		slog.String("client", rec.client()),
		slog.String("username", req.By()),
		slog.String("method", rec.request.Method),
		slog.String("path", rec.request.URL.Path),
		slog.String("action", string(req.Action)),
		slog.String("namespace", req.Namespace.String()),
		slog.Int("status", x.outcome),
		slog.Int64("bytes_in", x.response.body.bytes),
		slog.Int64("bytes_out", x.response.bytes),
		slog.Float64("duration_ms", float64(rec.took.Microseconds())/1000),
		slog.String("user_agent", rec.request.UserAgent()),
	)
}

// client is the address that authentication found, or that of the connection where it was not asked; without a port.
func (rec record) client() string {
	who := rec.exchange.request.Question.Identity
	if peer, err := netip.ParseAddrPort(rec.request.RemoteAddr); err == nil && !who.ClientIP.IsValid() {
		who.ClientIP = peer.Addr()
	}
	return who.Client()
}

// digests are shortened for people.
var digests = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52,}\b`)

// Line is the line for people: 200 GET /v2/app/manifests/1, 527 B in 1.2ms, alice from 192.0.2.1.
func (rec record) Line() string {
	x, path := rec.exchange, digests.ReplaceAllString(rec.request.URL.EscapedPath(), "$1")
	line := fmt.Sprintf("%d %s %s, %s in %s", x.outcome, rec.request.Method, path, sized(max(x.response.bytes, x.response.body.bytes)), rounded(rec.took))
	from := rec.client()
	if from != "" {
		from = "from " + from
	}
	if who := strings.TrimSpace(x.request.By() + " " + from); who != "" {
		line += ", " + who
	}
	return line
}

// sized is a number of bytes in the unit that leaves the fewest digits.
func sized(bytes int64) string {
	size, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB"}
	for size >= 1024 && len(units) > 1 {
		size, units = size/1024, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, units[0])
}

// rounded is a time of which nobody reads more digits.
func rounded(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
