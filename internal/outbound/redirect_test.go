package outbound

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestNoRedirectIsFollowedUnlessWanted(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := serve(t, http.RedirectHandler("/elsewhere", status).ServeHTTP, nil)
		if got, _, err := get(t, newClient(t, server, Options{}), server.URL); err != nil || got != status {
			t.Errorf("got status %d and error %v, want %d itself", got, err, status)
		}
	}
}

func TestSameHost(t *testing.T) {
	t.Parallel()
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }, nil)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request went over plain HTTP") }))
	t.Cleanup(plain.Close)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("to")
		if rest, ok := strings.CutPrefix(r.URL.Path, "/hop"); ok {
			to = rest + "?" + r.URL.RawQuery
		}
		if to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}, nil)
	client := newClient(t, server, Options{Redirect: SameHost(3)})
	for name, tt := range map[string]struct{ path, want string }{
		"none":             {"/", ""},
		"on the host":      {"/?to=/x", ""},
		"three":            {"/hop/hop/hop/x", ""},
		"four":             {"/hop/hop/hop/hop/x", "more than 3 redirects"},
		"to another host":  {"/?to=" + other.URL, "another host"},
		"to plain HTTP":    {"/?to=" + strings.Replace(server.URL, "https:", "http:", 1), "another host"},
		"to another port":  {"/?to=" + plain.URL, "another host"},
		"to another later": {"/hop/?to=" + other.URL, "another host"},
		"without a scheme": {"/?to=//" + strings.TrimPrefix(other.URL, "https://"), "another host"},
	} {
		_, _, err := get(t, client, server.URL+tt.path)
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", name, err, tt.want)
		}
	}
}

// everywhere follows each redirect.
func everywhere(*http.Request, []*http.Request) error { return nil }

func TestNoCredentialReachesAnotherHost(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 10)
	end := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }, nil)
	var begin *httptest.Server
	// It leads back to itself from the host between them, which must bring no credential back.
	between := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		http.Redirect(w, r, begin.URL+"/back", http.StatusFound)
	}, nil)
	begin = serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		if r.URL.Path != "/back" {
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
		}
	}, nil)
	secrets := []string{"Authorization", "Cookie", "X-Registry-Auth", "Proxy-Authorization"}
	send := func(to string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, begin.URL+"/?to="+to, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(secrets, "Accept", "Range") {
			r.Header.Set(name, "bytes=0-9")
		}
		answer, err := newClient(t, begin, Options{Redirect: everywhere, HTTP1: true}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	send(end.URL)
	if first := <-seen; first.Get("Authorization") == "" {
		t.Error("the host that was asked got no credential")
	}
	second := <-seen
	for _, name := range append(secrets, "Referer") {
		if second.Get(name) != "" {
			t.Errorf("another host got %s, want only what is for anybody: %v", name, slices.Sorted(maps.Keys(second)))
		}
	}
	if second.Get("Accept") == "" || second.Get("Range") == "" {
		t.Errorf("another host got %v, want Accept and Range, too", second)
	}
	send(between.URL)
	<-seen
	if header := <-seen; header.Get("Authorization") != "" {
		t.Error("the host between got the credential")
	}
}

func TestABodyGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }, nil)
	server := serve(t, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect).ServeHTTP, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("grant_type=password&password=secret"))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := newClient(t, server, Options{Redirect: everywhere}).Do(r); err == nil {
		answer.Body.Close()
		t.Error("got an answer, want an error")
	}
}
