package commands

import (
	"bytes"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestTheTrashAndAHistoryAtATerminal(t *testing.T) {
	t.Parallel()
	ref, err := parseStoreRef("team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	digest := oci.DigestOf(oci.SHA256, nil)
	var out, errs bytes.Buffer
	io := IO{Out: &out, Err: &errs, OutIsTerminal: true}
	entry := registry.TrashEntry{
		Kind: registry.KindTag, Namespace: ref.Namespace, Tag: ref.Tag, Digest: digest, At: now.Add(-3 * time.Hour),
		By: "bob", Why: "retention: no rule keeps it",
	}
	if err := io.printTrash([]trashRow{newTrashRow(entry, 2048, 24*time.Hour)}, formatTable, now); err != nil {
		t.Error(err)
	}
	wantText(t, out.String(), ""+
		"KIND  REF          SIZE     REMOVED      BY   UNTIL        WHY\n"+
		"tag   team/app:v1  2.0 KiB  3 hours ago  bob  in 21 hours  retention: no rule keeps it\n")

	out.Reset()
	rows := []historyRow{
		newHistoryRow(registry.PastValue{TagValue: registry.TagValue{Digest: digest, PushedAt: now.Add(-time.Hour), By: "carol"}, Current: true, Restorable: true}),
		newHistoryRow(registry.PastValue{TagValue: registry.TagValue{Digest: digest, PushedAt: now.Add(-4 * time.Hour), By: "alice"}, Removed: &entry, Restorable: true}),
		newHistoryRow(registry.PastValue{TagValue: registry.TagValue{Digest: digest, PushedAt: now.Add(-200 * time.Hour), By: "alice"}}),
	}
	if err := io.printHistory(ref, rows, formatTable, now); err != nil {
		t.Error(err)
	}
	short := digest.String()
	wantText(t, out.String(), ""+
		"DIGEST                                                                   PUSHED          BY     STATE\n"+
		short+"  60 minutes ago  carol  current\n"+
		short+"  4 hours ago     alice  removed 3 hours ago by bob: retention: no rule keeps it\n"+
		short+"  8 days ago      alice  former, lost\n")
	wantText(t, errs.String(), "hint: sreg gc restore team/app:v1@"+short+"\n")
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
