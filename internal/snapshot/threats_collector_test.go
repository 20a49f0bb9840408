package snapshot_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
)

// hasty lets the collector take at once what it may take at all.
const hasty = "gc: {grace: 1ns, trash: 1ns, untagged_after: 1ns}\nstorage: {blobs: {fs: {sync: false}}}\n"

// collect runs the collector beside the requests. It never fails, whatever they do.
func (w *world) collect(times int) {
	w.t.Helper()
	for range times {
		if report, err := w.snapshot.Collector.Run(w.t.Context(), gc.RunOptions{}); err != nil {
			w.t.Errorf("collect: %v, %q", err, report.Errors)
		}
	}
}

// has fails the test unless an image can be pulled whole, byte for byte.
func (w *world) has(auth, ns, tag, name string) {
	w.t.Helper()
	image := ocitest.Image(name)
	for _, reference := range []string{tag, image.Digest.String()} {
		if err := w.api(auth).Pull(w.t.Context(), ns, reference, image); err != nil {
			w.t.Error(err)
		}
	}
}

// hasNone fails the test if anything of an image can be pulled.
func (w *world) hasNone(auth, ns, tag, name string) {
	w.t.Helper()
	for _, path := range []string{"manifests/" + tag, "manifests/" + ocitest.Image(name).Digest.String(), "blobs/" + digestOf("config "+name), "blobs/" + digestOf("layer "+name)} {
		w.get("/v2/"+ns+"/"+path, auth).is(w.t, http.StatusNotFound)
		w.do(call{method: "HEAD", path: "/v2/" + ns + "/" + path, auth: auth}).is(w.t, http.StatusNotFound)
	}
}

// TestThreatPushesLostToTheCollector moves tags to and fro between two images beside a collector that has no
// patience at all and never rests: so each push is one of what is about to go. What a client is told to be
// there is there, or the answer says what is missing and the client pushes it.
func TestThreatPushesLostToTheCollector(t *testing.T) {
	t.Parallel()
	w := newTenants(t, hasty)
	ended, collected := make(chan struct{}), make(chan struct{})
	go func() { // ends when all is pushed
		defer close(collected)
		for {
			w.collect(1)
			select {
			case <-ended:
				return
			default:
			}
		}
	}()
	var pushers sync.WaitGroup
	for _, tenant := range []string{"a", "b"} {
		for _, tag := range []string{"x", "y", "z"} {
			pushers.Go(func() {
				for round := range 40 {
					name := fmt.Sprint(tenant, tag, round%2)
					w.pushUntilTaken(signIn(tenant), tenant, tag, name)
					w.has(signIn(tenant), tenant, tag, name)
				}
			})
		}
	}
	pushers.Wait()
	close(ended)
	<-collected
	w.collect(3)
	for _, tenant := range []string{"a", "b"} {
		for _, tag := range []string{"x", "y", "z"} {
			w.has(signIn(tenant), tenant, tag, tenant+tag+"1")
			w.hasNone(signIn(tenant), tenant, "none", tenant+tag+"0") // or nothing was collected at all
		}
	}
}

// pushUntilTaken does as clients do: asks which blobs are there, uploads those that are not, and begins anew
// when the manifest is refused for one of them.
func (w *world) pushUntilTaken(auth, ns, tag, name string) {
	w.t.Helper()
	for range 100 {
		for _, content := range []string{"config " + name, "layer " + name} {
			if w.do(call{method: "HEAD", path: "/v2/" + ns + "/blobs/" + digestOf(content), auth: auth}).status != http.StatusOK {
				w.pushBlobUntilTaken(auth, ns, content)
			}
		}
		put := w.do(putImage(auth, ns, tag, name))
		if put.status == http.StatusCreated {
			return
		}
		if put.is(w.t, http.StatusNotFound).code() != string(oci.CodeManifestBlobUnknown) {
			w.t.Errorf("%s: want an answer that says what is missing, got %.300s", put.call, put.body)
		}
	}
	w.t.Errorf("%s:%s was refused a hundred times", ns, tag)
}

// pushBlobUntilTaken begins anew when the blob goes again and again while it is pushed, which the answer says.
func (w *world) pushBlobUntilTaken(auth, ns, content string) {
	w.t.Helper()
	push := call{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?digest=" + digestOf(content), auth: auth, body: content}
	for range 100 {
		put := w.do(push)
		if put.status == http.StatusCreated {
			return
		}
		if put.is(w.t, http.StatusNotFound).code() != string(oci.CodeBlobUploadUnknown) {
			w.t.Errorf("%s: want an answer that says to begin anew, got %.300s", put.call, put.body)
		}
	}
	w.t.Errorf("%s was refused a hundred times", push)
}

// TestThreatAccessSurvivesADeleteAndComesBackForItsOwnerAlone deletes in one namespace what two hold, and lets
// the operator restore it.
func TestThreatAccessSurvivesADeleteAndComesBackForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	w := newTenants(t, "gc: {grace: 1ns, trash: 1h, untagged_after: 1ns}\n")
	root, a, b := signIn("root"), signIn("a"), signIn("b")
	w.pushImage(a, "a", "shared", "both's")
	w.pushImage(b, "b", "shared", "both's")
	w.has(a, "a", "shared", "both's")

	image, layer := ocitest.Image("both's").Digest.String(), digestOf("layer both's")
	for _, path := range []string{"manifests/" + image, "blobs/" + layer, "blobs/" + digestOf("config both's")} {
		w.do(call{method: "DELETE", path: "/v2/a/" + path, auth: a}).is(t, http.StatusAccepted)
	}
	for range 2 {
		w.hasNone(a, "a", "shared", "both's")
		w.hasNone(root, "a", "shared", "both's")
		w.has(b, "b", "shared", "both's")
		w.collect(2)
	}
	restore := registry.RestoreOptions{Namespace: parsed(oci.ParseName("a")), By: "operator"}
	if restored, err := w.snapshot.Maintenance.Restore(t.Context(), restore); err != nil || len(restored) == 0 {
		t.Fatalf("restore: %d things, %v", len(restored), err)
	}
	w.collect(2)
	w.has(a, "a", "shared", "both's")
	w.has(b, "b", "shared", "both's")
	w.hasNone(root, "b", "none", "a's") // what b never had does not come by a restore in a
	w.get("/v2/a/manifests/shared", b).is(t, http.StatusForbidden)

	w.do(call{method: "DELETE", path: "/v2/a/manifests/" + image, auth: a}).is(t, http.StatusAccepted)
	w.get("/v2/a/manifests/shared", a).is(t, http.StatusNotFound)
	w.has(b, "b", "shared", "both's")
}

// TestThreatRepairGivesNobodyABlobOfAnotherNamespace: where a manifest may name what is not there, a names the
// layer of b; a repair that made a link of it would open it.
func TestThreatRepairGivesNobodyABlobOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	w := newTenants(t, "registry: {missing_references: allow}\n")
	a, b := signIn("a"), signIn("b")
	w.do(putImage(a, "a", "stolen", "b's")).is(t, http.StatusCreated)
	for range 2 {
		for _, content := range []string{"layer b's", "config b's"} {
			w.get("/v2/a/blobs/"+digestOf(content), a).is(t, http.StatusNotFound)
			w.do(call{method: "POST", path: "/v2/a/blobs/uploads/?mount=" + digestOf(content), auth: a}).is(t, http.StatusAccepted)
		}
		w.has(b, "b", "v1", "b's")
		if _, err := scrub.Run(t.Context(), w.snapshot.Maintenance, scrub.Options{Repair: true, Concurrency: 2}); err != nil {
			t.Fatal(err)
		}
	}
	w.has(a, "a", "v1", "a's")
}

func parsed[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
