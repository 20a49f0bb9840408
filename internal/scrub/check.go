package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// check looks at one object by its kind, and repairs it if that was asked for. What is gone meanwhile is no
// finding.
func (s *scrubber) check(ctx context.Context, one item) (result, error) {
	var found result
	var err error
	switch {
	case one.Kind == registry.KindBlob:
		found, err = s.checkBlob(ctx, one.Object)
	case one.Kind == registry.KindManifest:
		found, err = s.checkRevision(ctx, one)
	case one.condemned:
		// The collector removes it, and does not look at what it names.
	case one.Kind == registry.KindLink:
		found, err = s.checkLink(ctx, one)
	case one.Kind == registry.KindTag:
		found.findings, err = s.checkTag(ctx, one)
	case one.Kind == registry.KindReferrer:
		found.findings, err = s.checkReferrer(ctx, one)
	case one.Kind == registry.KindTrash:
		found.findings, err = s.checkTrash(ctx, one.Object)
	case one.recordOnly:
	case one.Kind == registry.KindPulls:
		found.findings, err = s.checkPulls(ctx, one.Object)
	case one.Kind == registry.KindOwn:
		found.findings, err = s.checkOwn(ctx, one.Object)
	case one.Kind == registry.KindCorrupt:
		found.findings = []Finding{newFinding(CodeMovedAside, one.Object)}
	case one.Kind == registry.KindUnknown:
		found.findings = []Finding{newFinding(CodeStrangeKey, one.Object)}
	}
	if errors.Is(err, storage.ErrNotExist) {
		return result{bytes: found.bytes}, nil
	}
	if err != nil {
		return found, err
	}
	if one.first {
		more, err := s.checkNamespace(ctx, one.Object)
		found.findings = append(found.findings, more...)
		return found, err
	}
	return found, nil
}

// checkBlob hashes the bytes, twice before it says that they are corrupt.
func (s *scrubber) checkBlob(ctx context.Context, o registry.Object) (found result, err error) {
	if s.opts.Quick {
		return found, nil
	}
	for range 2 {
		good, n, err := s.hashObject(ctx, o)
		found.bytes += n
		if err != nil || good {
			return found, err
		}
	}
	f := newFinding(CodeCorruptBlob, o)
	if s.opts.Repair {
		s.moveAside(ctx, o, &f, func(content io.Reader) (bool, error) {
			good, _, err := s.hash(ctx, o.Digest, content)
			return good, err
		})
	}
	found.findings = []Finding{f}
	return found, nil
}

// movedAside is how something was repaired that only a push can bring back.
const movedAside = "moved aside; the next push stores it again"

// moveAside moves an object aside unless it is good by now, and notes which of the two.
func (s *scrubber) moveAside(ctx context.Context, o registry.Object, f *Finding, good func(io.Reader) (bool, error)) {
	moved, err := s.reg.MoveAside(ctx, o, good)
	switch {
	case err != nil:
		f.Problem = err.Error()
	case moved:
		f.Repaired = movedAside
	default:
		f.Repaired = "it was pushed again meanwhile"
	}
}

// checkRevision hashes a manifest and follows what it names. A condemned one is only hashed.
func (s *scrubber) checkRevision(ctx context.Context, one item) (found result, err error) {
	o := one.Object
	stored, code, err := s.readRevision(ctx, o)
	if err != nil {
		return found, err
	}
	found.bytes = int64(len(stored.Content))
	if code != "" {
		found.findings = []Finding{s.repairRevision(ctx, o, code, stored.MediaType)}
		return found, nil
	}
	m, err := oci.ParseManifest(stored.MediaType, stored.Content)
	if err != nil {
		f := newFinding(CodeInvalidManifest, o)
		f.Problem = err.Error()
		found.findings = []Finding{f}
		return found, nil //nolint:nilerr // the finding tells it
	}
	if one.condemned || one.recordOnly || stored.Stored.Condemned {
		return found, nil
	}
	found.findings, err = s.checkReferences(ctx, o, stored, m)
	if err != nil {
		return found, err
	}
	// A delete removes the manifest first. From then on what it names may be gone.
	there, err := s.reg.Exists(ctx, o)
	if err == nil && !there {
		err = fmt.Errorf("%s: %w", o.Key(), storage.ErrNotExist)
	}
	return found, err
}

// readRevision reads a manifest and says what is wrong with it as it lies there; empty if nothing is.
func (s *scrubber) readRevision(ctx context.Context, o registry.Object) (*registry.Manifest, Code, error) {
	stored, err := s.reg.Manifest(ctx, o.Namespace, o.Digest)
	switch {
	case errors.Is(err, registry.ErrDamaged):
		return &registry.Manifest{}, CodeDamagedRecord, nil
	case err == nil && oci.DigestOf(o.Digest.Algorithm(), stored.Content) != o.Digest:
		return stored, CodeCorruptManifest, nil
	}
	return stored, "", err
}

// repairRevision moves a damaged manifest aside, if the run repairs. fetchManifests gets it back later.
func (s *scrubber) repairRevision(ctx context.Context, o registry.Object, code Code, mediaType string) Finding {
	f := newFinding(code, o)
	f.MediaType = mediaType
	if s.opts.Repair {
		s.moveAside(ctx, o, &f, func(io.Reader) (bool, error) {
			_, code, err := s.readRevision(ctx, o)
			return code == "", err
		})
	}
	return f
}

// checkReferences looks at what a manifest names, and at its entry among the referrers of its subject.
func (s *scrubber) checkReferences(ctx context.Context, o registry.Object, stored *registry.Manifest, m oci.Manifest) ([]Finding, error) {
	var findings []Finding
	seen := map[oci.Digest]bool{}
	for _, blob := range m.Blobs() {
		if seen[blob.Digest] {
			continue
		}
		seen[blob.Digest] = true
		f, err := s.checkNamedBlob(ctx, o, blob.Digest, stored.Missing)
		if err != nil {
			return nil, err
		}
		findings = append(findings, f...)
	}
	for _, child := range m.Children() {
		there, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindManifest, Namespace: o.Namespace, Digest: child.Digest})
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		f, err := s.checkNamedChild(ctx, o, child.Digest, stored.Missing)
		if err != nil {
			return nil, err
		}
		findings = append(findings, f...)
	}
	if m.Subject == nil {
		return findings, nil
	}
	more, err := s.checkListed(ctx, o, m.Subject.Digest)
	return append(findings, more...), err
}

func naming(code Code, o registry.Object, target oci.Digest) Finding {
	f := newFinding(code, o)
	f.Names = target
	return f
}

// checkNamedChild looks at what an index names and is no manifest of the namespace: it may be a blob.
func (s *scrubber) checkNamedChild(ctx context.Context, o registry.Object, child oci.Digest, missing []oci.Digest) ([]Finding, error) {
	linked, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindLink, Namespace: o.Namespace, Digest: child})
	switch {
	case err != nil || !linked && slices.Contains(missing, child):
		return nil, err
	case linked:
		return s.checkNamedBlob(ctx, o, child, missing)
	}
	return []Finding{naming(CodeNoChild, o, child)}, nil
}

// checkNamedBlob looks at the link and the bytes of a blob that a manifest names. What the namespace did
// not hold when the manifest was pushed is not missing.
func (s *scrubber) checkNamedBlob(ctx context.Context, o registry.Object, blob oci.Digest, missing []oci.Digest) ([]Finding, error) {
	linked, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindLink, Namespace: o.Namespace, Digest: blob})
	if err != nil || !linked && slices.Contains(missing, blob) {
		return nil, err
	}
	there, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindBlob, Digest: blob})
	switch {
	case err != nil || linked && there:
		return nil, err
	case linked:
		return []Finding{naming(CodeNoBytes, o, blob)}, nil
	}
	f := naming(CodeNoLink, o, blob)
	removed, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindMarker, Namespace: o.Namespace, Digest: blob})
	if err != nil {
		return nil, err
	}
	if removed {
		f.Means, f.Do = "the manifest names a blob that a client deleted from the namespace", "delete the manifest, or push the image again"
	}
	if s.opts.Repair {
		f.noteRepair(s.reg.Relink(ctx, o.Namespace, o.Digest, blob), "linked again")
	}
	return []Finding{f}, nil
}

// checkListed looks whether a manifest is listed among the referrers of its subject.
func (s *scrubber) checkListed(ctx context.Context, o registry.Object, subject oci.Digest) ([]Finding, error) {
	there, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindReferrer, Namespace: o.Namespace, Subject: subject, Digest: o.Digest})
	if err != nil || there {
		return nil, err
	}
	f := naming(CodeNoReferrer, o, subject)
	if s.opts.Repair {
		f.noteRepair(s.reg.RebuildReferrer(ctx, o.Namespace, o.Digest), "entry rebuilt")
	}
	return []Finding{f}, nil
}

// checkLink looks at the bytes of a link. Within one repository it hashes them, too.
func (s *scrubber) checkLink(ctx context.Context, one item) (found result, err error) {
	o := one.Object
	isLink, err := s.reg.Exists(ctx, o)
	if err != nil {
		return found, err
	}
	if !isLink {
		return s.checkProposed(ctx, o)
	}
	blob := registry.Object{Kind: registry.KindBlob, Digest: o.Digest}
	if !s.opts.Repository.IsZero() && one.recordOnly == s.opts.Repair {
		if found, err = s.checkBlob(ctx, blob); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return found, err
		}
	}
	if one.recordOnly {
		return found, nil
	}
	there, err := s.reg.Exists(ctx, blob)
	if err == nil && there {
		return s.checkDataKey(ctx, o, found)
	}
	if err != nil {
		return found, err
	}
	f := newFinding(CodeDanglingLink, o)
	if s.opts.Repair && s.opts.Fetch != nil {
		err := s.fetch(ctx, o, func(content io.Reader) error { return s.reg.Refetch(ctx, o.Namespace, o.Digest, content) })
		f.noteRepair(err, "fetched again")
	}
	found.findings = append(found.findings, f)
	return found, nil
}

// checkDataKey looks whether a link names the data key under which the bytes lie.
func (s *scrubber) checkDataKey(ctx context.Context, o registry.Object, found result) (result, error) {
	misplaced, err := s.reg.LinkIsMisplaced(ctx, o.Namespace, o.Digest)
	if err != nil || !misplaced {
		return found, err
	}
	f := newFinding(CodeMisplacedLink, o)
	if s.opts.Repair {
		f.noteRepair(s.reg.CorrectLink(ctx, o.Namespace, o.Digest), "names the right data key")
	}
	found.findings = append(found.findings, f)
	return found, nil
}

// checkProposed is for a link that a repair proposed and did not finish, or that is gone meanwhile.
func (s *scrubber) checkProposed(ctx context.Context, o registry.Object) (found result, err error) {
	content, size, err := s.reg.OpenObject(ctx, o)
	if err != nil {
		return found, err
	}
	if err := content.Close(); err != nil || size == 0 {
		return found, err
	}
	f := newFinding(CodeProposedLink, o)
	if s.opts.Repair {
		f.noteRepair(s.reg.DropProposal(ctx, o.Namespace, o.Digest), "withdrawn; what needs it proposes it again")
	}
	found.findings = []Finding{f}
	return found, nil
}

// checkTag looks whether the manifest of a tag is there, and the entry by which its delete finds the tag. A tag without one may come from a delete that was
// interrupted, so no repair touches it.
func (s *scrubber) checkTag(ctx context.Context, one item) ([]Finding, error) {
	o := one.Object
	stands, err := s.reg.ReadTag(ctx, o.Namespace, o.Tag)
	if errors.Is(err, registry.ErrDamaged) {
		return s.repairRecord(ctx, o, err), nil
	}
	if err != nil || one.recordOnly {
		return nil, err
	}
	there, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindManifest, Namespace: o.Namespace, Digest: stands})
	if err != nil {
		return nil, err
	}
	var findings []Finding
	if !there {
		findings = []Finding{naming(CodeDanglingTag, o, stands)}
	}
	lacks, err := s.reg.LacksTagEntry(ctx, o.Namespace, o.Tag)
	if err != nil || !lacks {
		return findings, err
	}
	f := naming(CodeNoTagEntry, o, stands)
	if s.opts.Repair {
		f.noteRepair(s.reg.CompleteTag(ctx, o.Namespace, o.Tag), "entry written")
	}
	return append(findings, f), nil
}

// repairRecord moves a record that cannot be read aside, if the run repairs.
func (s *scrubber) repairRecord(ctx context.Context, o registry.Object, why error) []Finding {
	f := newFinding(CodeDamagedRecord, o)
	f.Problem = why.Error()
	if s.opts.Repair {
		f.Problem = ""
		f.noteRepair(s.reg.MoveRecordAside(ctx, o), movedAside)
	}
	return []Finding{f}
}

// checkReferrer looks whether the manifest of an entry among referrers is there.
func (s *scrubber) checkReferrer(ctx context.Context, one item) ([]Finding, error) {
	o := one.Object
	err := s.reg.CheckReferrer(ctx, o.Namespace, o.Subject, o.Digest)
	if errors.Is(err, registry.ErrDamaged) {
		return s.repairRecord(ctx, o, err), nil
	}
	if err != nil || one.recordOnly {
		return nil, err
	}
	there, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindManifest, Namespace: o.Namespace, Digest: o.Digest})
	if err != nil || there {
		return nil, err
	}
	f := naming(CodeStaleReferrer, o, o.Subject)
	if s.opts.Repair {
		f.noteRepair(s.reg.DropReferrer(ctx, o.Namespace, o.Subject, o.Digest), "entry removed")
	}
	return []Finding{f}, nil
}

func (s *scrubber) checkTrash(ctx context.Context, o registry.Object) ([]Finding, error) {
	err := s.reg.CheckTrash(ctx, o)
	if errors.Is(err, registry.ErrDamaged) {
		return s.repairRecord(ctx, o, err), nil
	}
	return nil, err
}

// checkPulls reads the times of pulls of a namespace. No repair moves them aside: without them everything looks as
// if it was never pulled, and rules of retention may drop it.
func (s *scrubber) checkPulls(ctx context.Context, o registry.Object) ([]Finding, error) {
	_, err := s.reg.PullTimes(ctx, o.Namespace)
	if !errors.Is(err, registry.ErrDamaged) {
		return nil, err
	}
	f := newFinding(CodeDamagedRecord, o)
	f.Means = "the times of pulls cannot be read: rules of retention keep all, and none is recorded any more"
	f.Do = "restore the file from a backup; or delete it, and all counts as never pulled"
	f.Problem = err.Error()
	return []Finding{f}, nil
}

// maxSecret is more than any secret has, in bytes.
const maxSecret = 1 << 20

// checkOwn reads a secret. No repair moves it aside: another one would end what was signed with it.
func (s *scrubber) checkOwn(ctx context.Context, o registry.Object) ([]Finding, error) {
	name, ok := registry.SecretOf(o)
	if !ok || s.opts.CheckSecret == nil {
		return nil, nil
	}
	content, _, err := s.reg.OpenObject(ctx, o)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	text, err := io.ReadAll(io.LimitReader(content, maxSecret))
	if err != nil {
		return nil, err
	}
	if err := s.opts.CheckSecret(name, text); err != nil {
		f := newFinding(CodeDamagedRecord, o)
		f.Means = "what the registry keeps for itself cannot be read: servers that start refuse it, or do without"
		f.Do = "restore the file from a backup; or delete it, and what was signed with it is not accepted any more"
		f.Problem = err.Error()
		return []Finding{f}, nil
	}
	return nil, nil
}

// checkNamespace looks whether the catalog shows a namespace that holds something.
func (s *scrubber) checkNamespace(ctx context.Context, o registry.Object) ([]Finding, error) {
	there, err := s.reg.Exists(ctx, registry.Object{Kind: registry.KindNamespace, Namespace: o.Namespace})
	if err != nil || there {
		return nil, err
	}
	f := newFinding(CodeNoNamespace, o)
	if s.opts.Repair {
		f.noteRepair(s.reg.AddToCatalog(ctx, o.Namespace), "entered in the catalog")
	}
	return []Finding{f}, nil
}
