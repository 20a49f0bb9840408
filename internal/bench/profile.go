package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// profileFor is how long a profile takes, in seconds: some thousand samples.
const profileFor = 20

// Profile runs the loads that the compiler should know of on sreg, and writes what the processor did
// meanwhile to a file in pprof's format: small pulls, and some pushes of small images beside them.
func Profile(ctx context.Context, opts Options, file string) (err error) {
	s, err := newStage(opts)
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(opts.Temp, "sreg-profile-"); err != nil {
		return fmt.Errorf("make a folder for the server: %w", err)
	}
	defer func() {
		s.stopAll()
		if rerr := os.RemoveAll(s.dir); rerr != nil && err == nil {
			err = fmt.Errorf("clean up: %w", rerr)
		}
	}()
	socket := s.dir + "/pprof.sock"
	srv, err := s.start(ctx, profiledProgram(opts.Sreg, socket))
	if err != nil {
		return err
	}
	img, small := newImage(s.size.layer, 1), blobOf(randomBytes(s.size.smallBlob, 2))
	if err := fillTags(ctx, srv, fewTagsNamespace, img, 1); err != nil {
		return err
	}
	if err := srv.do(ctx, func(c *client) error { return c.pushBlob(blobsNamespace, small) }); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- fetchProfile(ctx, socket, file) }() // ends with the profile, or with ctx
	images := newImages(s.size.layer, s.size.imagePushes/4, 3)
	pull := []request{get(manifestPath(fewTagsNamespace, tagName(0))), headOf(manifestPath(fewTagsNamespace, tagName(0))), get(blobPath(blobsNamespace, small.digest))}
	for round := 0; ; round++ {
		select {
		case err := <-done:
			return err
		default:
		}
		mixed := load{clients: someClients, ops: s.size.gets, op: func(c *client, i int) error {
			_, err := c.do(pull[i%len(pull)], nil)
			return err
		}}
		if _, err := srv.measure(ctx, mixed); err != nil {
			return err
		}
		if _, err := srv.measure(ctx, pushImages(fewTagsNamespace, fmt.Sprintf("p%d-", round), images)); err != nil {
			return err
		}
	}
}

// profiledProgram is sreg that shows what it does at a socket.
func profiledProgram(path, socket string) program {
	return program{name: "sreg", path: path, args: func(dir string) ([]string, error) {
		file, err := writeConfig(dir, fmt.Sprintf(
			"server: {listeners: [{name: main, address: \"127.0.0.1:0\"}, {name: admin, address: %q, serves: [pprof]}]}\n", "unix:"+socket))
		return []string{"serve", "--data", dir, "-c", file}, err
	}}
}

func fetchProfile(ctx context.Context, socket, file string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*profileFor*time.Second)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	url := fmt.Sprintf("http://sreg/debug/pprof/profile?seconds=%d", profileFor)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("fetch the profile: %w", err)
	}
	defer res.Body.Close()
	profile, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch the profile: status %d, %w", res.StatusCode, err)
	}
	return os.WriteFile(file, profile, 0o644)
}
