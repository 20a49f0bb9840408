package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// The tests of this file want three replicas to be as one.

// TestAnUploadGoesOnAtAnotherReplica sends each request of an upload to the next replica, chunks that are
// smaller than a part and larger ones.
func TestAnUploadGoesOnAtAnotherReplica(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{})
	ns := ocitest.Name("team/app")
	var wires []*wire
	for _, s := range r.members {
		wires = append(wires, newWire(t, s))
	}
	part := int(r.bucket.PartSize)
	for name, sizes := range map[string][]int{
		"small chunks":  {1, 4096, 100_000},
		"large chunks":  {part + 17, 2*part + 1, 5},
		"whole parts":   {part, part, part},
		"small and big": {3, 2 * part, 3, part + 3, 0},
		"many":          {1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var chunks []string
			for i, size := range sizes {
				chunks = append(chunks, strings.Repeat(string(rune('a'+i)), size))
			}
			location, err := wires[0].begin(ns)
			if err != nil {
				t.Fatal(err)
			}
			sent := 0
			for i, chunk := range chunks {
				at := wires[(i+1)%len(wires)]
				if _, err := at.send(http.MethodPatch, location, httpapitest.Bytes, chunk); err != nil {
					t.Fatalf("chunk %d: %v", i, err)
				}
				sent += len(chunk)
				status, err := wires[(i+2)%len(wires)].send(http.MethodGet, location, "", "")
				if want := fmt.Sprintf("0-%d", max(sent-1, 0)); err != nil || status.Header.Get("Range") != want {
					t.Errorf("after chunk %d another replica says %q, %v, want %q", i, status.Header.Get("Range"), err, want)
				}
			}
			whole := strings.Join(chunks, "") + "the end"
			if err := wires[len(chunks)%len(wires)].complete(location, "the end", whole); err != nil {
				t.Fatal(err)
			}
			for _, w := range wires {
				got, err := w.send(http.MethodGet, "/v2/team/app/blobs/"+ocitest.DigestOf(whole).String(), "", "")
				if err != nil || got.Body != whole {
					t.Errorf("%s has %d bytes, %v, want %d", w.Base, len(got.Body), err, len(whole))
				}
			}
		})
	}
	checkBucket(t, r.bucket)
}

// raced is what became of pushes of one tag, all begun at the same moment, each through another replica.
type raced struct {
	images []ocitest.Manifest
	errs   []error
}

func (r *replicas) race(t *testing.T, tag string, pushers int) raced {
	t.Helper()
	var done raced
	ns, begin := ocitest.Name("team/app"), make(chan struct{})
	var all sync.WaitGroup
	for i := range pushers {
		img := ocitest.Image(fmt.Sprint(tag, " of pusher ", i))
		w := newWire(t, r.members[i%len(r.members)])
		for _, blob := range img.Blobs() {
			if err := w.pushBlob(ns, blob.Text); err != nil {
				t.Fatal(err)
			}
		}
		done.images, done.errs = append(done.images, img), append(done.errs, nil)
		all.Go(func() {
			<-begin
			done.errs[i] = w.pushManifest(ns, img, ocitest.Tag(tag))
		})
	}
	close(begin)
	all.Wait()
	return done
}

// valueOf is what a tag stands for at every replica.
func (r *replicas) valueOf(t *testing.T, tag string) string {
	t.Helper()
	values := map[string]bool{}
	var value string
	for _, s := range r.members {
		got, err := newWire(t, s).send(http.MethodGet, "/v2/team/app/manifests/"+tag, "", "")
		if err != nil {
			t.Fatal(err)
		}
		value = got.Header.Get("Docker-Content-Digest")
		values[value] = true
	}
	if len(values) != 1 {
		t.Errorf("tag %s stands for %v, want one value at all replicas", tag, values)
	}
	return value
}

func TestPushesOfOneTagThroughAllReplicasHaveOneWinner(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{Raced: true})
	done := r.race(t, "latest", 12)
	pushed := map[string]bool{}
	for i, err := range done.errs {
		if err != nil {
			t.Errorf("pusher %d: %v", i, err)
		}
		pushed[done.images[i].Digest.String()] = true
	}
	if value := r.valueOf(t, "latest"); !pushed[value] {
		t.Errorf("the tag stands for %s, which nobody pushed", value)
	}
	r.wantAllWhole(t)
	checkBucket(t, r.bucket)
}

func TestAnImmutableTagHasOneWinnerAmongReplicas(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{More: "registry: {immutable_tags: {enabled: true}}\n"})
	for _, tag := range []string{"v1", "v2", "v3"} {
		done := r.race(t, tag, 6)
		winner := ""
		for i, err := range done.errs {
			switch {
			case err == nil && winner == "":
				winner = done.images[i].Digest.String()
			case err == nil:
				t.Errorf("%s was pushed twice: by pusher %d, too", tag, i)
			case !httpapitest.Refused(err, http.StatusConflict):
				t.Errorf("pusher %d of %s: got %v, want 409", i, tag, err)
			}
		}
		if value := r.valueOf(t, tag); value != winner {
			t.Errorf("%s stands for %s, and %s was acknowledged", tag, value, winner)
		}
	}
	checkBucket(t, r.bucket)
}

// TestOneCollectsAtATime has a collector that takes its time, a second one, and two replicas that would collect
// every second.
func TestOneCollectsAtATime(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, replicaOptions{})
	w := newWire(t, r.server)
	for _, tag := range []string{"1", "2", "3", "4", "5", "6"} {
		if err := w.pushImage(ocitest.Name("team/app"), ocitest.Image(tag), ocitest.Tag(tag)); err != nil {
			t.Fatal(err)
		}
	}
	slow := start(t, r.gcCommand(t, "--rate", "1"))
	eventually(t, "a collector that finds the store taken", func() bool {
		select {
		case <-slow.done: // another one was quicker, and it was this one that found the store taken
			slow = start(t, r.gcCommand(t, "--rate", "1"))
		default:
		}
		return exitCode(r.gcCommand(t).Run()) == 3
	})
	r.yaml += hastySchedule
	scheduled := []*server{r.add(t), r.add(t)}
	for _, s := range scheduled {
		s.process.await(t, regexp.MustCompile(`"msg":"collector runs elsewhere"`))
		if strings.Contains(s.process.output(), `"msg":"collected"`) {
			t.Errorf("%s collected beside another one", s.address)
		}
	}
	slow.signal(t, syscall.SIGTERM)
	<-slow.done
	for _, s := range scheduled {
		s.process.await(t, regexp.MustCompile(`"msg":"collected"`))
		if text := s.process.output(); strings.Contains(text, `"msg":"collector failed"`) {
			t.Errorf("%s: the collector failed:\n%s", s.address, text)
		}
	}
	r.wantAllWhole(t)
	checkBucket(t, r.bucket, w.acknowledged...)
}

const hastySchedule = "gc: {schedule: \"@every 1s\", jitter: 0s, grace: 1ms, trash: 1ms, untagged_after: 1ms}\n"

// gcCommand is sreg gc beside the replicas, by a config of the same store that has no patience.
func (r *replicas) gcCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	config := filepath.Join(t.TempDir(), "gc.yaml")
	writeFile(t, config, strings.TrimSuffix(r.yaml, hastySchedule)+"gc: {grace: 1ms, trash: 1ms, untagged_after: 1ms}\n")
	return command(t, binary, append([]string{"gc", "-c", config, "--max-delete", "100%"}, args...)...)
}

// signedReplicas are replicas that people sign in to.
func signedReplicas(t *testing.T, auth string) *replicas {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	writeUsers(t, users)
	return newReplicas(t, replicaOptions{More: fmt.Sprintf(
		"auth: {users_file: %s%s}\npolicy: {default: deny, rules: [{name: people, expr: \"'dev' in identity.groups\"}]}\n", users, auth)})
}

func TestATokenOfOneReplicaIsGoodAtTheOthers(t *testing.T) {
	t.Parallel()
	r := signedReplicas(t, "")
	for _, by := range r.members {
		request, err := http.NewRequest(http.MethodGet, by.url("/token?service=sreg&scope=repository:team/app:pull,push"), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(alice.user, alice.password)
		var got struct{ Token string }
		if status, text := fetch(t, request); status != http.StatusOK || json.Unmarshal([]byte(text), &got) != nil || got.Token == "" {
			t.Fatalf("token of %s: got %d %s", by.address, status, text)
		}
		for _, at := range r.members {
			request, err := http.NewRequest(http.MethodPost, at.url("/v2/team/app/blobs/uploads/"), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+got.Token)
			if status, text := fetch(t, request); status != http.StatusAccepted {
				t.Errorf("a token of %s at %s: got %d %s, want 202", by.address, at.address, status, text)
			}
		}
	}
	login := command(t, "crane", "auth", "login", r.address, "-u", alice.user, "-p", alice.password)
	push := command(t, "crane", "push", writeTarball(t, newImage(t), "x:1"), r.address+"/team/app:1")
	home := "HOME=" + t.TempDir()
	for _, cmd := range []*exec.Cmd{login, push} {
		cmd.Env = append(cmd.Environ(), home, "DOCKER_CONFIG=")
		runCmd(t, cmd)
	}
}

func TestWrongPasswordsCountAtAllReplicas(t *testing.T) {
	t.Parallel()
	r := signedReplicas(t, ", throttle: {failures: 6, window: 1m}")
	try := func(at *server, password string) int {
		request, err := http.NewRequest(http.MethodGet, at.url("/v2/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(alice.user, password)
		status, _ := fetch(t, request)
		return status
	}
	for i := range 6 {
		if got := try(r.members[i%2], fmt.Sprint("wrong ", i)); got != http.StatusUnauthorized {
			t.Errorf("wrong password %d: got %d, want 401", i, got)
		}
	}
	// The third replica was never asked, and knows.
	if got := try(r.members[2], "wrong once more"); got != http.StatusTooManyRequests {
		t.Errorf("behind 6 wrong passwords at others: got %d, want 429", got)
	}
}

func fetch(t *testing.T, request *http.Request) (status int, text string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
