package s3_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// refuser is a proxy that answers the next writes 409, with a code that S3 or versitygw has for it.
type refuser struct {
	code string
	left atomic.Int64
}

func refused(t testing.TB, cfg s3.Config, code string) (s3.Config, *refuser) {
	t.Helper()
	r := &refuser{code: code}
	return s3test.Proxied(t, cfg, func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			writes := request.Method == http.MethodPut || request.Method == http.MethodPost && request.URL.Query().Has("uploadId")
			if writes && r.left.Add(-1) >= 0 {
				refusal(http.StatusConflict, r.code, "another request is in the way").ServeHTTP(w, request)
				return
			}
			service.ServeHTTP(w, request)
		})
	}), r
}

// TestRefusals: a write that a service refuses because another one is in the way is made again, and is never
// taken for one whose condition did not hold. Without an end it is ErrBusy.
func TestRefusals(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	prefixed := prefixes(t, server)
	for i, code := range []string{"ConditionalRequestConflict", "OperationAborted", "ExistingObjectIsDirectory"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			cfg, refuser := refused(t, prefixed(), code)
			s := create(t, cfg)
			var version storage.Version
			var pending storage.Pending
			for _, step := range []struct {
				name string
				do   func() error
			}{
				{"put", func() error { return second(s.Put(t.Context(), "put", nil, storage.PutOptions{})) }},
				{"put if absent", func() (err error) {
					version, err = s.Put(t.Context(), "k", nil, storage.PutOptions{IfAbsent: true})
					return err
				}},
				{"put if unchanged", func() error {
					return second(s.Put(t.Context(), "k", nil, storage.PutOptions{IfUnchanged: version}))
				}},
				{"condemn", func() error { return s.Condemn(t.Context(), "k") }},
				{"destroy", func() error { return s.Destroy(t.Context(), "k", storage.DeleteOptions{}) }},
				{"prepare", func() (err error) {
					pending, err = s.Prepare(t.Context(), "draft", nil)
					return err
				}},
				{"publish", func() error { return pending.Publish(t.Context()) }},
				{"create upload", func() error { return s.CreateUpload(t.Context(), "u", nil) }},
				{"save upload", func() error {
					u := openUpload(t, s, "u")
					appendTo(t, u, noise(10))
					return errors.Join(u.SaveState(t.Context(), nil), u.Close())
				}},
				{"commit upload", func() error {
					u := openUpload(t, s, "u")
					_, err := u.Commit(t.Context(), "blob")
					return errors.Join(err, u.Close())
				}},
			} {
				if i == 0 { // one code shows what comes when all patience has ended
					refuser.left.Store(1 << 30)
					if err := step.do(); !errors.Is(err, storage.ErrBusy) || errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrChanged) {
						t.Errorf("%s with %s to all of its writes: %v, want %v", step.name, code, err, storage.ErrBusy)
					}
				}
				refuser.left.Store(3)
				if err := step.do(); err != nil {
					t.Errorf("%s with %s to its first writes: %v", step.name, code, err)
				}
			}
			must(t, s.CreateUpload(t.Context(), "parts", nil))
			u := openUpload(t, s, "parts")
			refuser.left.Store(3)
			appendTo(t, u, noise(6*mib))
			refuser.left.Store(3)
			commit(t, u, "parts")
			wantObject(t, s, "blob", noise(10))
			wantObject(t, s, "parts", noise(6*mib))
		})
	}
}
