package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	accessUser     = "bench"
	accessPassword = "a password for the bench"
)

// accesses is the same content on sreg without access control and on one that knows a user and asks
// twenty rules for each request: ten of the whole registry, ten of the repository, all of them evaluated.
type accesses struct {
	*stage
	plain, guarded *server
	pull           request
	basic, token   string // what Authorization says
}

func accessGroup(s *stage) group {
	a := &accesses{stage: s}
	return group{name: "access control", setUp: a.setUp, rows: []row{
		{"access-token", "manifest GET with a token, 20 rules", limit{atMost, 1.6, "x without"}, a.withToken},
		{"access-basic", "manifest GET with a password, 20 rules", limit{atMost, 1.6, "x without"}, a.withPassword},
		{"access-sign-in", "p99 of pulls with tokens beside first sign-ins by password", limit{atMost, 1.5, "x without them"}, a.besideSignIns},
	}}
}

func (a *accesses) setUp(ctx context.Context) (err error) {
	if a.plain, err = a.start(ctx, a.programs.subject); err != nil {
		return err
	}
	// What is pulled with a password was pushed without one: the guarded server starts on that folder.
	first, err := a.start(ctx, a.programs.subject)
	if err != nil {
		return err
	}
	img := newImage(a.size.layer, 1)
	for _, srv := range []*server{a.plain, first} {
		if err := fillTags(ctx, srv, fewTagsNamespace, img, 1); err != nil {
			return fmt.Errorf("fill %s: %w", srv.name, err)
		}
	}
	if err := first.stop(); err != nil {
		return err
	}
	guarded, err := guardedProgram(ctx, a.programs.subject.path)
	if err != nil {
		return err
	}
	if a.guarded, err = a.startOn(ctx, guarded, first.dir); err != nil {
		return err
	}
	a.pull = get(manifestPath(fewTagsNamespace, tagName(0)))
	a.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(accessUser+":"+accessPassword))
	a.token, err = a.getToken(ctx)
	return err
}

// guardedProgram is sreg with a user whose password is verified anew after a moment, and twenty rules.
func guardedProgram(ctx context.Context, path string) (program, error) {
	cmd := exec.CommandContext(ctx, path, "user", "hash", "--password-stdin")
	cmd.Stdin = strings.NewReader(accessPassword + "\n")
	hash, err := cmd.Output()
	if err != nil {
		return program{}, fmt.Errorf("hash the password: %w", err)
	}
	var global, own []string
	for i := range 9 {
		global = append(global, fmt.Sprintf(`"identity.username == 'user-%d' && request.action in ['get-manifest', 'get-blob']"`, i))
		own = append(own, fmt.Sprintf(`"request.namespace.startsWith('team/%d/') && 'group-%d' in identity.groups"`, i, i))
	}
	config := fmt.Sprintf("auth: {users: [{name: %s, password_hash: %q, groups: [dev]}], throttle: {failures: 1000000}}\n"+
		"policy: {rules: [%s, \"identity.username == '%s'\"]}\n"+
		"repositories: [{name: bench, policy: {rules: [%s, \"'dev' in identity.groups\"]}}]\n",
		accessUser, strings.TrimSpace(string(hash)), strings.Join(global, ", "), accessUser, strings.Join(own, ", "))
	return program{name: "sreg-guarded", path: path, args: func(dir string) ([]string, error) {
		file, err := writeConfig(dir, config)
		return []string{"serve", "--address", "127.0.0.1:0", "--data", dir, "-c", file}, err
	}}, nil
}

func (a *accesses) getToken(ctx context.Context) (string, error) {
	var answer bytes.Buffer
	err := a.guarded.do(ctx, func(c *client) error {
		_, err := c.do(get("/token").with(a.basic), &answer)
		return err
	})
	if err != nil {
		return "", err
	}
	var token struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(answer.Bytes(), &token); err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return "Bearer " + token.Token, nil
}

// with is the request of somebody who signs in.
func (r request) with(authorization string) request {
	r.head = bytes.Replace(r.head, []byte("\r\n\r\n"), []byte("\r\nAuthorization: "+authorization+"\r\n\r\n"), 1)
	return r
}

func (a *accesses) withToken(ctx context.Context) (figures, error) {
	return a.versusPlain(ctx, a.token)
}

func (a *accesses) withPassword(ctx context.Context) (figures, error) {
	return a.versusPlain(ctx, a.basic)
}

func (a *accesses) versusPlain(ctx context.Context, authorization string) (figures, error) {
	return a.compare(ctx,
		timed{a.guarded, repeat(someClients, a.size.gets, a.pull.with(authorization))},
		timed{a.plain, repeat(someClients, a.size.gets, a.pull)}, byWall)
}

// besideSignIns times each pull of one client, alone and while others sign in with passwords that the
// server has not verified before: wrong ones cost the same, and each is of another user, so that none is
// throttled.
func (a *accesses) besideSignIns(ctx context.Context) (figures, error) {
	var f figures
	pulls := a.size.gets
	for range a.size.rounds {
		alone, err := a.slowest(ctx, pulls)
		if err != nil {
			return f, err
		}
		stop := a.signIn(ctx)
		beside, err := a.slowest(ctx, pulls)
		count, signInErr := stop()
		if err != nil {
			return f, err
		}
		if signInErr != nil {
			return f, signInErr
		}
		f.samples = append(f.samples, ratio(beside, alone))
		f.detail = fmt.Sprintf("p99 %s : %s, %d sign-ins meanwhile", short(beside), short(alone), count)
	}
	return f, nil
}

// slowest is the time that 99 of 100 pulls stay under.
func (a *accesses) slowest(ctx context.Context, pulls int) (time.Duration, error) {
	took := make([]time.Duration, 0, pulls)
	pull := a.pull.with(a.token)
	_, err := a.guarded.measure(ctx, load{clients: oneClient, ops: pulls, op: func(c *client, _ int) error {
		began := time.Now()
		_, err := c.do(pull, nil)
		took = append(took, time.Since(began))
		return err
	}})
	if err != nil {
		return 0, err
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}

// signers are how many sign in at once: one is verified at a time on two cores, and the others wait.
const signers = 4

// signIn sends first sign-ins over some connections until stop is called, which says how many there were.
func (a *accesses) signIn(ctx context.Context) (stop func() (int, error)) {
	done := make(chan struct{})
	var (
		work  sync.WaitGroup
		count atomic.Int64
		errs  [signers]error
	)
	for i := range signers {
		work.Go(func() { // ends when done is closed, or at the first error
			errs[i] = a.guarded.do(ctx, func(c *client) error { return signInAgain(c, &count, done) })
		})
	}
	return func() (int, error) {
		close(done)
		work.Wait()
		return int(count.Load()), errors.Join(errs[:]...)
	}
}

func signInAgain(c *client, count *atomic.Int64, done <-chan struct{}) error {
	for {
		select {
		case <-done:
			return nil
		default:
		}
		user := fmt.Sprintf("nobody-%d:%d", count.Add(1), time.Now().UnixNano())
		wrong := get("/v2/").with("Basic " + base64.StdEncoding.EncodeToString([]byte(user)))
		wrong.want = http.StatusUnauthorized
		if _, err := c.do(wrong, nil); err != nil {
			return err
		}
	}
}
