package commands_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// TestTheTrashIsNotEmptiedUnderACollector: it judges by what the trash holds.
func TestTheTrashIsNotEmptiedUnderACollector(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	store, err := fs.New(fs.Config{Root: root}, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(store.Create(t.Context()))
	must(reg.Create(t.Context()))
	ns, err := oci.ParseName("app")
	must(err)
	upload, err := reg.StartUpload(t.Context(), ns, oci.SHA256, "")
	must(err)
	d := oci.DigestOf(oci.SHA256, []byte("layer"))
	must(reg.CompleteUpload(t.Context(), ns, upload.ID, registry.Chunk{Body: strings.NewReader("layer"), Start: -1}, d))
	must(reg.DeleteBlob(t.Context(), ns, d, ""))
	_, release, err := reg.ClaimCollector(t.Context(), "process 1 on earth")
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
