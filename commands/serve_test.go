package commands_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

func TestServeFromItsStartToItsEnd(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	problems, write := io.Pipe()
	code := make(chan int, 1)
	go func() { // ends with stop
		in := commands.IO{Out: io.Discard, Err: write, ConfigFolders: []string{"/absent"}}
		code <- commands.Main(ctx, in, []string{"serve", "--address", "127.0.0.1:0", "--data", folder})
		write.Close()
	}()

	lines := bufio.NewScanner(problems)
	var start []string
	for len(start) < 7 && lines.Scan() {
		start = append(start, lines.Text())
	}
	if len(start) < 7 {
		t.Fatalf("got start lines %q, want 7", start)
	}
	rest := make(chan string, 1)
	go func() { // ends when the command does
		var left strings.Builder
		for lines.Scan() {
			fmt.Fprintln(&left, lines.Text())
		}
		rest <- left.String()
	}()
	address, ok := strings.CutPrefix(start[1], "  address  http://")
	if !ok || !strings.HasPrefix(start[0], "sreg ") {
		t.Fatalf("got start lines %q, want the version and the address first", start)
	}
	want := "  data     " + folder + "\n" +
		"  config   defaults; there is no sreg.yaml in /absent\n" +
		"  access   anybody on this computer may push and pull: sreg listens on loopback only\n" +
		"  try      docker pull alpine && docker tag alpine " + address + "/alpine\n" +
		"  try      docker push " + address + "/alpine"
	if got := strings.Join(start[2:], "\n"); got != want {
		t.Errorf("got start lines\n%s\nwant\n%s", got, want)
	}
	client, image := httpapitest.Client{HTTP: http.DefaultClient, Base: "http://" + address}, ocitest.Image("one")
	if err := errors.Join(client.Push(ctx, "team/app", image, "v1"), client.Pull(ctx, "team/app", "v1", image)); err != nil {
		t.Error(err)
	}

	stop()
	if got := <-code; got != 0 {
		t.Errorf("got exit code %d, want 0", got)
	}
	left := strings.Split(strings.TrimSpace(<-rest), "\n")
	if len(left) != 2 || !strings.Contains(left[0], `"msg":"draining"`) || !regexp.MustCompile(`"msg":"stopped","duration_ms":\d+,"requests_cut_off":0}$`).MatchString(left[1]) {
		t.Errorf("got log %q, want that it drains and has stopped, and nothing else", left)
	}
}

// TestOnATerminalARequestIsALine: who tries sreg sees what clients ask, without a word in a config.
func TestOnATerminalARequestIsALine(t *testing.T) {
	t.Parallel()
	const green, yellow, reset = `\x1b\[32m`, `\x1b\[1;33m`, `\x1b\[0m`
	for name, tt := range map[string]struct {
		environ                 []string
		created, absent, behind string // what stands around the statuses
	}{
		"without colours":                       {nil, "", "", ""},
		"in colours":                            {[]string{"TERM=xterm"}, green, yellow, reset},
		"without colours, as NO_COLOR wants it": {[]string{"TERM=xterm", "NO_COLOR=1"}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requestIsALine(t, tt.environ, tt.created+"201"+tt.behind, tt.absent+"404"+tt.behind)
		})
	}
}

// requestIsALine serves at a terminal and looks for the lines of two requests, with their statuses.
func requestIsALine(t *testing.T, environ []string, created, absent string) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	problems, write := io.Pipe()
	go func() { // ends with stop
		in := commands.IO{Out: io.Discard, Err: write, ErrIsTerminal: true, Environ: environ, ConfigFolders: []string{"/absent"}}
		commands.Main(ctx, in, []string{"serve", "--address", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data")})
		write.Close()
	}()
	lines := bufio.NewScanner(problems)
	var address string
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), "  address  ")
	}
	log := make(chan []string, 1)
	go func() { // ends when the command does
		var left []string
		for lines.Scan() {
			left = append(left, lines.Text())
		}
		log <- left
	}()
	client, image := httpapitest.Client{HTTP: http.DefaultClient, Base: address}, ocitest.Image("one")
	if err := client.Push(ctx, "team/app", image, "v1"); err != nil {
		t.Error(err)
	}
	answer, err := http.Get(address + "/v2/app/blobs/" + image.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	stop()
	text := strings.Join(<-log, "\n")
	for _, want := range []string{
		`(?m)^\d\d:\d\d:\d\d INFO  ` + created + ` PUT /v2/team/app/manifests/v1, \d+ B in [0-9.]+(µs|ms|s), from 127\.0\.0\.1$`,
		`(?m)^\d\d:\d\d:\d\d INFO  ` + absent + ` GET /v2/app/blobs/sha256:[0-9a-f]{12}, \d+ B in [0-9.]+(µs|ms|s), from 127\.0\.0\.1$`,
		`INFO  stopped duration_ms=\d+ requests_cut_off=0$`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("got log\n%s\nwant %s", text, want)
		}
	}
}

func TestVersionForPeopleIsAlignedInColumns(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := commands.Main(t.Context(), commands.IO{Out: &out, OutIsTerminal: true}, []string{"version"}); code != 0 {
		t.Fatalf("got exit code %d", code)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) < 11 || line[9] != ' ' || line[10] == ' ' {
			t.Errorf("got line %q, want its value in column 11", line)
		}
	}
}

// TestThePageSuggestsWhatTheStartLinesDo: both ask the policies in one way.
func TestThePageSuggestsWhatTheStartLinesDo(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]string{
		`policy: {default: allow}`: "ADDRESS/alpine",
		`policy: {rules: ["request.namespace.startsWith('team/')"]}` + "\nrepositories: [{name: team, redirect: true}]": "ADDRESS/team/alpine",
		`policy: {rules: ["request.action == 'get-manifest'"]}`:                                                         "",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sreg.yaml")
			if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			problems, write := io.Pipe()
			ended := make(chan struct{})
			go func() { // ends with stop
				defer close(ended)
				commands.Main(ctx, commands.IO{Out: io.Discard, Err: write}, []string{"serve", "-c", path, "--address", "127.0.0.1:0", "--data", t.TempDir()})
				write.Close()
			}()
			lines := bufio.NewScanner(problems)
			address, pushed := "", ""
			for pushed == "" && lines.Scan() { // the last of the first lines is a suggestion
				if found, ok := strings.CutPrefix(lines.Text(), "  address  http://"); ok {
					address = found
				}
				if found, ok := strings.CutPrefix(lines.Text(), "  try      docker push "); ok {
					pushed = found
				}
				if strings.Contains(lines.Text(), "policy who put-manifest") {
					break
				}
			}
			go func() { _, _ = io.Copy(io.Discard, problems) }() // ends when the command does
			if want := strings.Replace(want, "ADDRESS", address, 1); pushed != want {
				t.Errorf("the start lines suggest to push %q, want %q", pushed, want)
			}
			status, page := get(t, "http://"+address+"/")
			if onPage := regexp.MustCompile(`docker push (\S+)`).FindStringSubmatch(page); status != 200 || (onPage == nil) != (pushed == "") || onPage != nil && onPage[1] != pushed {
				t.Errorf("the page answers %d, and suggests to push %q, the start lines %q", status, onPage, pushed)
			}
			if catalog := strings.Contains(page, "/v2/_catalog"); catalog != strings.Contains(policy, "allow") {
				t.Errorf("the page shows the catalog: %v\n%s", catalog, page)
			}
			stop()
			<-ended
		})
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
