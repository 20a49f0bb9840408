package commands

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/outbound"
)

// healthOptions are the flags of health.
type healthOptions struct {
	from    source
	url     string // empty: that of the config
	ready   bool
	timeout time.Duration
	caFile  string
	output  format
}

func newHealth(io IO) *cobra.Command {
	opts := healthOptions{timeout: 5 * time.Second}
	cmd := &cobra.Command{
		Use:        "health [URL]",
		SuggestFor: []string{"healthcheck", "ping"},
		Short:      "Ask a running server whether it is well",
		Long: "Ask a running server whether it answers, and with --ready whether requests should be\n" +
			"sent to it: not while its store takes no writes, nor while it shuts down. Exit code 0\n" +
			"is yes, 1 is no. It is for health checks of containers, whose image has no curl.\n\n" +
			"URL is http://HOST:PORT, https://HOST:PORT or unix:/PATH. Without one the listener of\n" +
			"the config is asked, on this computer; its certificate is not verified then, because it\n" +
			"has another name. A health check with a URL reads no config." + exitCodes,
		Example: "  sreg health\n" +
			"  sreg health --ready -c /etc/sreg/sreg.yaml\n" +
			"  sreg health http://127.0.0.1:5000\n" +
			"  sreg health https://registry.example.com --ca-file ca.crt -o json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) <= 1 {
				return nil
			}
			return one("URL")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.url = strings.Join(args, "")
			return runHealth(cmd.Context(), io, opts)
		},
	}
	opts.from.addConfigFlag(cmd)
	cmd.Flags().BoolVar(&opts.ready, "ready", false, "ask whether requests should be sent to it")
	durationFlag(cmd, &opts.timeout, "timeout", "give up after `DURATION` (default 5s)")
	cmd.Flags().StringVar(&opts.caFile, "ca-file", "", "verify the certificate of URL by the CAs in `FILE`")
	addOutputFlag(cmd, &opts.output)
	return cmd
}

// healthJSON is the answer for machines. Status is 0 if there was no answer.
type healthJSON struct {
	URL     string `json:"url"`
	OK      bool   `json:"ok"`
	Status  int    `json:"status"`
	Problem string `json:"problem,omitempty"`
}

func runHealth(ctx context.Context, io IO, opts healthOptions) error {
	of, err := opts.subject(io)
	if err != nil {
		return err
	}
	path := "/healthz"
	if opts.ready {
		path = "/readyz"
	}
	answer := healthJSON{URL: of.shown + path}
	answer.Status, err = of.ask(ctx, path)
	answer.OK, answer.Problem = err == nil, textOf(err)
	if opts.output == formatJSON {
		return errors.Join(io.printJSON(answer), err)
	}
	if err == nil {
		err = io.printTable([][]string{{answer.URL, "ok"}})
	}
	return err
}

// healthSubject is a server that is asked.
type healthSubject struct {
	shown  string // its URL for people
	url    string
	client *http.Client
}

func (o healthOptions) subject(io IO) (healthSubject, error) {
	settings, err := outbound.Files{CAFile: o.caFile}.Load()
	if err != nil {
		return healthSubject{}, &usageError{message: err.Error(), hint: "--ca-file wants CA certificates in PEM"}
	}
	if o.url == "" {
		return o.configured(io, settings)
	}
	if path, ok := strings.CutPrefix(o.url, "unix:"); ok {
		return o.at(o.url, "http://sreg", nil, "unix", path), nil
	}
	if !strings.Contains(o.url, "://") {
		o.url = "http://" + o.url
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return healthSubject{}, &usageError{message: fmt.Sprintf("want http://HOST:PORT, https://HOST:PORT or unix:/PATH, got %q", o.url), hint: "such as sreg health http://127.0.0.1:5000"}
	}
	shown := strings.TrimRight(u.Redacted(), "/")
	return o.at(shown, strings.TrimRight(o.url, "/"), settings, "", ""), nil
}

// configured is the server of the config, on this computer.
func (o healthOptions) configured(io IO, settings *tls.Config) (healthSubject, error) {
	cfg, err := config.LoadServer(o.from.options(io))
	if err != nil {
		return healthSubject{}, err
	}
	l, at, err := cfg.Health()
	if err != nil || at.Network == "systemd" {
		return healthSubject{}, &usageError{
			message: fmt.Sprintf("the config does not say where health is asked: listener %s has the address %s", l.Name, l.Address),
			hint:    "give the URL: sreg health http://127.0.0.1:5000",
		}
	}
	scheme := "http://"
	if l.TLS {
		scheme = "https://"
		settings.InsecureSkipVerify = o.caFile == "" // it is for other names than that of this computer
	}
	if at.Network == "unix" {
		return o.at("unix:"+at.Name, scheme+"sreg", settings, at.Network, at.Name), nil
	}
	return o.at(scheme+at.Name, scheme+at.Name, settings, "", ""), nil
}

// at is a server at a URL, or behind one address whatever its URL says.
func (o healthOptions) at(shown, url string, settings *tls.Config, network, address string) healthSubject {
	options := outbound.Options{TLS: settings, Total: o.timeout, MaxBody: 64 << 10}
	if network != "" {
		options.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	return healthSubject{shown: shown, url: url, client: outbound.New(options)}
}

// ask asks one path. An error says why the answer is no.
func (s healthSubject) ask(ctx context.Context, path string) (status int, err error) {
	defer s.client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return 0, hintedError{fmt.Errorf("%s does not answer: %w", s.shown, err), "is the server started, and this its address?"}
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return response.StatusCode, nil
	}
	return response.StatusCode, fmt.Errorf("%s%s answers %d%s", s.shown, path, response.StatusCode, reasonIn(response.Body))
}

// reasonIn is what an error body of a registry says, if it is one.
func reasonIn(body io.Reader) string {
	var said oci.ErrorBody
	if json.NewDecoder(body).Decode(&said) != nil || len(said.Errors) == 0 {
		return ": that is no answer of sreg"
	}
	return ": " + printable(said.Errors[0].Message)
}
