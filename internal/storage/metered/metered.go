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
func (m *Metrics) Wrap(inner storage.Store, name string) *Store {
	s := &Store{Store: inner}
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

// Store is a storage.Store that counts. What it does not override is handed through uncounted.
type Store struct {
	storage.Store
	counters [operationCount][resultCount]prometheus.Counter
	// The powers of the wrapped store that are counted; nil where it has them not, and then storage.As does
	// not lead to their methods here.
	data         storage.DataOpener
	fingerprints storage.Fingerprinter
}

// Unwrap is the store that is counted.
func (s *Store) Unwrap() storage.Store { return s.Store }

func (s *Store) count(op operation, err error) { s.counters[op][resultOf(err)].Inc() }

// Open counts open.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	content, info, err := s.Store.Open(ctx, key)
	s.count(opOpen, err)
	return content, info, err
}

// OpenData counts open.
func (s *Store) OpenData(ctx context.Context, key storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	content, info, err := s.data.OpenData(ctx, key)
	s.count(opOpen, err)
	return content, info, err
}

// Get counts get.
func (s *Store) Get(ctx context.Context, key string) (storage.Value, error) {
	value, err := s.Store.Get(ctx, key)
	s.count(opGet, err)
	return value, err
}

// Stat counts stat.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := s.Store.Stat(ctx, key)
	s.count(opStat, err)
	return info, err
}

// Fingerprint counts stat.
func (s *Store) Fingerprint(ctx context.Context, prefix string) (storage.Stamp, bool, error) {
	stamp, settled, err := s.fingerprints.Fingerprint(ctx, prefix)
	s.count(opStat, err)
	return stamp, settled, err
}

// List counts one list, however long it is.
func (s *Store) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		var failure error
		defer func() { s.count(opList, failure) }()
		for entry, err := range s.Store.List(ctx, prefix, opts) {
			failure = err
			if !yield(entry, err) {
				return
			}
		}
	}
}

// Put counts put.
func (s *Store) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	version, err := s.Store.Put(ctx, key, data, opts)
	s.count(opPut, err)
	return version, err
}

// Prepare counts prepare, and publish when it comes to that.
func (s *Store) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	inner, err := s.Store.Prepare(ctx, key, data)
	s.count(opPrepare, err)
	if err != nil {
		return nil, err
	}
	return &pending{Pending: inner, s: s}, nil
}

type pending struct {
	storage.Pending
	s *Store
}

func (p *pending) Publish(ctx context.Context) error {
	err := p.Pending.Publish(ctx)
	p.s.count(opPublish, err)
	return err
}

// Delete counts delete.
func (s *Store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	err := s.Store.Delete(ctx, key, opts)
	s.count(opDelete, err)
	return err
}

// Condemn counts condemn.
func (s *Store) Condemn(ctx context.Context, key string) error {
	err := s.Store.Condemn(ctx, key)
	s.count(opCondemn, err)
	return err
}

// Revive counts revive.
func (s *Store) Revive(ctx context.Context, key string) (storage.Info, error) {
	info, err := s.Store.Revive(ctx, key)
	s.count(opRevive, err)
	return info, err
}

// Destroy counts destroy.
func (s *Store) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	err := s.Store.Destroy(ctx, key, opts)
	s.count(opDestroy, err)
	return err
}

// CreateUpload counts upload.
func (s *Store) CreateUpload(ctx context.Context, id string, label []byte) error {
	err := s.Store.CreateUpload(ctx, id, label)
	s.count(opUpload, err)
	return err
}

// OpenUpload counts the appends and the commit of the session.
func (s *Store) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	inner, err := s.Store.OpenUpload(ctx, id)
	if err != nil {
		s.count(opAppend, err)
		return nil, err
	}
	return &upload{Upload: inner, s: s}, nil
}

type upload struct {
	storage.Upload
	s *Store
}

func (u *upload) Append(ctx context.Context, r io.Reader) (int64, error) {
	n, err := u.Upload.Append(ctx, r)
	u.s.count(opAppend, err)
	return n, err
}

func (u *upload) Commit(ctx context.Context, key string) (storage.Info, error) {
	info, err := u.Upload.Commit(ctx, key)
	u.s.count(opCommit, err)
	return info, err
}

// Probe counts probe.
func (s *Store) Probe(ctx context.Context) error {
	err := s.Store.Probe(ctx)
	s.count(opProbe, err)
	return err
}
