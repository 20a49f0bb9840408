package access

// Question is one request as authorization sees it: who asks, for what, and by which way it came. The
// whole of it decides, so an answer to one question is never one to another.
type Question struct {
	Identity Identity
	Request  Request
	// Scope is what the token of who asks is for. Rules and webhooks do not see it: what is not within it is denied
	// before they are asked.
	Scope     *Scope
	Transport Transport
}

// Transport is what HTTP alone knows of a request. Rules do not see it; webhooks are told.
type Transport struct {
	// RequestID is what the logs call the request, and the client unless it has sent an id of its own. No other request
	// has it.
	RequestID string
	// ClientRequestID is the id that the client has sent, empty without one. Anybody may send any, so it is checked to
	// be short and plain, and stands beside the other one.
	ClientRequestID string
	// Admin says that a listener took the request that serves no registry, only health, metrics and
	// pprof.
	Admin bool
	// Proto is http or https, behind trusted proxies the one that they tell.
	Proto string
	// Host is what the client called the server, behind trusted proxies what they tell.
	Host string
	// URI is the path and the query as the client wrote them.
	URI string
	// Header are all headers of the request, by their canonical names.
	Header map[string][]string
}
