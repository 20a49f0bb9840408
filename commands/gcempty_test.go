package commands_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// TestTheTrashIsNotEmptiedUnderACollector: it judges by what the trash holds.
func TestTheTrashIsNotEmptiedUnderACollector(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	reg := newEmptyStore(t, root)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ns, layer := ocitest.Name("app"), ocitest.Layer("layer")
	must(registrytest.Pusher{To: reg}.PushBlob(t.Context(), ns, layer))
	must(reg.DeleteBlob(t.Context(), ns, layer.Digest, ""))
	_, release, err := reg.Maintenance().ClaimCollector(t.Context(), "process 1 on earth")
	must(err)

	empty := func() (int, string) {
		var out, errs bytes.Buffer
		code := commands.Main(t.Context(), commands.IO{In: strings.NewReader(""), Out: &out, Err: &errs}, []string{"gc", "empty", "--yes", "--data", root})
		return code, errs.String()
	}
	if code, errs := empty(); code != 3 || !strings.Contains(errs, "another collector is at work: process 1 on earth") {
		t.Errorf("beside a collector: exit code %d, %s", code, errs)
	}
	release()
	if code, errs := empty(); code != 0 {
		t.Errorf("after it: exit code %d, %s", code, errs)
	}
}
