// Package metered counts what a store is asked and how it answers.
// It promises the whole contract of the store that it wraps, at the cost of one counter a call.
// It must not know what the operations are for, nor change any answer.
package metered

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sreg-project/sreg/internal/storage"
)

// Metrics are the counters of all stores. New makes them once.
type Metrics struct {
	operations *prometheus.CounterVec
	breakers   *prometheus.GaugeVec
}

// New registers the counters.
func New(registerer prometheus.Registerer) *Metrics {
	auto := promauto.With(registerer)
	return &Metrics{
		operations: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sreg_storage_operations_total",
			Help: "Operations of a store, by store, operation and result (ok, absent, refused, error).",
		}, []string{"store", "operation", "result"}),
		breakers: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sreg_storage_breaker_open",
			Help: "1 while requests are answered 503 because the service of a store failed, else 0.",
		}, []string{"store"}),
	}
}

// Breaker is what the metrics know of the circuit breaker of one store.
type Breaker struct {
	gauge prometheus.Gauge
	open  atomic.Bool
}

// Breaker returns that of a store of this name. Where one store replaces another both have one for a while.
func (m *Metrics) Breaker(name string) *Breaker {
	return &Breaker{gauge: m.breakers.WithLabelValues(name)}
}

// Set says whether the breaker is open. It is not when the store is closed.
func (b *Breaker) Set(open bool) {
	switch {
	case b.open.Swap(open) == open:
	case open:
		b.gauge.Inc()
	default:
		b.gauge.Dec()
	}
}

// operation names a column of the counters.
type operation uint8

const (
	opOpen operation = iota
	opGet
	opStat
	opList
	opPut
	opPrepare
	opPublish
	opDelete
	opCondemn
	opRevive
	opDestroy
	opUpload
	opAppend
	opCommit
	opProbe
	operationCount
)

var operationNames = [operationCount]string{
	"open", "get", "stat", "list", "put", "prepare", "publish", "delete", "condemn", "revive", "destroy",
	"upload", "append", "commit", "probe",
}

// result names how an operation ended.
type result uint8

const (
	ok      result = iota
	absent         // storage.ErrNotExist
	refused        // a condition did not hold
	failed
	resultCount
)

var resultNames = [resultCount]string{"ok", "absent", "refused", "error"}

func resultOf(err error) result {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, storage.ErrNotExist):
		return absent
	case errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrChanged):
		return refused
	}
	return failed
}

// Wrap counts the operations of a store under a name.
func (m *Metrics) Wrap(inner storage.Store, name string) storage.Wrapper {
	s := &store{Store: inner}
	s.data, _ = storage.As[storage.DataOpener](inner)
	s.fingerprints, _ = storage.As[storage.Fingerprinter](inner)
	m.breakers.WithLabelValues(name) // is there from the start
	for op, opName := range operationNames {
		for res, resName := range resultNames {
			s.counters[op][res] = m.operations.WithLabelValues(name, opName, resName)
		}
	}
	return s
}

// store is a storage.Store that counts. What it does not override is handed through uncounted.
type store struct {
	storage.Store
	counters [operationCount][resultCount]prometheus.Counter
	// The powers of the wrapped store that are counted; nil where it has them not, and then storage.As does
	// not lead to their methods here.
	data         storage.DataOpener
	fingerprints storage.Fingerprinter
}

func (s *store) Unwrap() storage.Store { return s.Store }

// count counts an operation at its end.
func (s *store) count(op operation, err *error) { s.counters[op][resultOf(*err)].Inc() }

func (s *store) Open(ctx context.Context, key string) (content io.ReadSeekCloser, info storage.Info, err error) {
	defer s.count(opOpen, &err)
	return s.Store.Open(ctx, key)
}

func (s *store) OpenData(ctx context.Context, key storage.DataKey) (content io.ReadSeekCloser, info storage.Info, err error) {
	defer s.count(opOpen, &err)
	return s.data.OpenData(ctx, key)
}

func (s *store) Get(ctx context.Context, key string) (value storage.Value, err error) {
	defer s.count(opGet, &err)
	return s.Store.Get(ctx, key)
}

func (s *store) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	defer s.count(opStat, &err)
	return s.Store.Stat(ctx, key)
}

// Fingerprint counts as a stat.
func (s *store) Fingerprint(ctx context.Context, prefix string) (stamp storage.Stamp, settled bool, err error) {
	defer s.count(opStat, &err)
	return s.fingerprints.Fingerprint(ctx, prefix)
}

// List counts one list, however long it is.
func (s *store) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		var failure error
		defer s.count(opList, &failure)
		for entry, err := range s.Store.List(ctx, prefix, opts) {
			failure = err
			if !yield(entry, err) {
				return
			}
		}
	}
}

func (s *store) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (version storage.Version, err error) {
	defer s.count(opPut, &err)
	return s.Store.Put(ctx, key, data, opts)
}

// Prepare counts prepare, and publish when it comes to that.
func (s *store) Prepare(ctx context.Context, key string, data []byte) (made storage.Pending, err error) {
	defer s.count(opPrepare, &err)
	inner, err := s.Store.Prepare(ctx, key, data)
	if err != nil {
		return nil, err
	}
	return &pending{Pending: inner, s: s}, nil
}

type pending struct {
	storage.Pending
	s *store
}

func (p *pending) Publish(ctx context.Context) (err error) {
	defer p.s.count(opPublish, &err)
	return p.Pending.Publish(ctx)
}

func (s *store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) (err error) {
	defer s.count(opDelete, &err)
	return s.Store.Delete(ctx, key, opts)
}

func (s *store) Condemn(ctx context.Context, key string) (err error) {
	defer s.count(opCondemn, &err)
	return s.Store.Condemn(ctx, key)
}

func (s *store) Revive(ctx context.Context, key string) (info storage.Info, err error) {
	defer s.count(opRevive, &err)
	return s.Store.Revive(ctx, key)
}

func (s *store) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) (err error) {
	defer s.count(opDestroy, &err)
	return s.Store.Destroy(ctx, key, opts)
}

// CreateUpload counts as upload.
func (s *store) CreateUpload(ctx context.Context, id string, label []byte) (err error) {
	defer s.count(opUpload, &err)
	return s.Store.CreateUpload(ctx, id, label)
}

// OpenUpload counts the appends and the commit of the session.
func (s *store) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	inner, err := s.Store.OpenUpload(ctx, id)
	if err != nil {
		s.count(opAppend, &err)
		return nil, err
	}
	return &upload{Upload: inner, s: s}, nil
}

type upload struct {
	storage.Upload
	s *store
}

func (u *upload) Append(ctx context.Context, r io.Reader) (n int64, err error) {
	defer u.s.count(opAppend, &err)
	return u.Upload.Append(ctx, r)
}

func (u *upload) Commit(ctx context.Context, key string) (info storage.Info, err error) {
	defer u.s.count(opCommit, &err)
	return u.Upload.Commit(ctx, key)
}

func (s *store) Probe(ctx context.Context) (err error) {
	defer s.count(opProbe, &err)
	return s.Store.Probe(ctx)
}
