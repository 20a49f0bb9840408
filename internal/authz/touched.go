package authz

import (
	"context"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// touched are the tags that go with a manifest which is deleted. They are looked up when a rule or a webhook first asks
// for them, and once. It belongs to one decision.
type touched struct {
	look   func() (tags []oci.Tag, more bool, err error)
	looked bool
	tags   []oci.Tag
	err    error // of the look: whatever the rules made of it, nothing was decided
}

// touched is nil for every request whose tags are known.
func (a *Authorizer) touched(ctx context.Context, q *access.Question) *touched {
	if q.Request.Action != access.DeleteManifest || !q.Request.Reference.IsDigest() {
		return nil
	}
	return &touched{look: func() ([]oci.Tag, bool, error) {
		return a.Tags.TagsOf(ctx, q.Request.Namespace, q.Request.Reference.Digest, access.MaxTags)
	}}
}

func (t *touched) get() ([]oci.Tag, error) {
	if !t.looked {
		t.looked = true
		var more bool
		t.tags, more, t.err = t.look()
		if more && t.err == nil {
			t.err = access.ErrTooManyTags
		}
	}
	return t.tags, t.err
}
