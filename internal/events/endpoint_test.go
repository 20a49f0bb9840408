package events_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/events"
	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/secret"
)

// endpointOf makes an endpoint whose other side is a handler.
func endpointOf(t *testing.T, o events.Options, handler http.HandlerFunc) *events.Endpoint {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.URL = server.URL + "/hook?key=s3cret"
	endpoint, err := events.NewEndpoint(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(endpoint.Close)
	return endpoint
}

func TestADeliveryIsTheSignedMessage(t *testing.T) {
	t.Parallel()
	key := secret.New("test key")
	for _, format := range []events.Format{events.CloudEvents, events.Docker} {
		want, err := format.Encode(whole(events.Push), "https://registry.example.org")
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan string, 1)
		endpoint := endpointOf(t, events.Options{
			Format: format, Source: "https://registry.example.org", HMAC: key, BearerToken: secret.New("token"),
		}, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			signature := r.Header.Get(events.SignatureHeader)
			seconds, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
			at, _ := strconv.ParseInt(seconds, 10, 64)
			asked <- strings.Join([]string{
				r.Method, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(body),
				strconv.FormatBool(signature != "" && signature == events.Sign(key, time.Unix(at, 0), body)),
			}, "\n")
			w.WriteHeader(http.StatusAccepted)
		})
		if err := endpoint.Deliver(t.Context(), whole(events.Push)); err != nil {
			t.Fatal(err)
		}
		wanted := strings.Join([]string{"POST", want.ContentType, "Bearer token", string(want.Body), "true"}, "\n")
		if got := <-asked; got != wanted {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", format, got, wanted)
		}
	}
}

func TestOnlyAStatusOf2xxIsADelivery(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{200: true, 202: true, 204: true, 302: false, 400: false, 404: false, 410: false, 429: false, 500: false, 503: false} {
		endpoint := endpointOf(t, events.Options{Format: events.Docker}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the redirect was followed")
			}
			if r.Header.Get(events.SignatureHeader) != "" || r.Header.Get("Authorization") != "" {
				t.Errorf("got %v, want no signature without a key and no token", r.Header)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		err := endpoint.Deliver(t.Context(), whole(events.Push))
		if (err == nil) != want {
			t.Errorf("%d: got %v, want a delivery: %t", status, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Errorf("got %q, want the status %d in it", err, status)
		}
	}
}

func TestASlowEndpointIsGivenUp(t *testing.T) {
	t.Parallel()
	endpoint := endpointOf(t, events.Options{Format: events.Docker, Timeout: time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client went away
		<-r.Context().Done()
	})
	err := endpoint.Deliver(t.Context(), whole(events.Push))
	if !os.IsTimeout(errors.Unwrap(err)) {
		t.Errorf("got %v, want a time-out", err)
	}
}

func TestTheErrorOfADeliveryDoesNotShowTheURL(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	endpoint := endpointOf(t, events.Options{Format: events.Docker}, func(http.ResponseWriter, *http.Request) {})
	err := endpoint.Deliver(gone, whole(events.Push))
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want that it was canceled, without the URL", err)
	}
}

func TestAnEndpointWithoutItsCertificatesIsNotMade(t *testing.T) {
	t.Parallel()
	_, err := events.NewEndpoint(events.Options{Files: outbound.Files{CAFile: t.TempDir() + "/ca.pem"}})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file is not there", err)
	}
}

// A proxy is never asked for addresses of this machine, so the endpoint is at one that nobody has (RFC 1112, class E).
func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the proxy was asked")
	}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	endpoint, err := events.NewEndpoint(events.Options{URL: "http://240.0.0.1/hook", Format: events.Docker, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoint.Close()
	if err := endpoint.Deliver(t.Context(), whole(events.Push)); err == nil {
		t.Error("got a delivery, want an error")
	}
}
