// Package storage is the contract between sreg and what keeps its objects: a folder, or a bucket.
// A Store keeps opaque objects under slash-separated keys and promises, at every point where a
// process may be killed, that what it acknowledged is whole and durable.
// It must never know what a manifest, a tag or a blob is, nor who asks.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// The errors that callers of a Store branch on. A Store wraps them; use errors.Is.
var (
	// ErrNotExist says that no live or condemned object has the key, or no session the id.
	ErrNotExist = errors.New("no such object")
	// ErrExists says that a put with IfAbsent found an object.
	ErrExists = errors.New("object exists")
	// ErrChanged says that the object is not the one that IfUnchanged named.
	ErrChanged = errors.New("object has changed")
	// ErrBusy says that another writer held the session or the key for too long.
	ErrBusy = errors.New("held by another writer")
	// ErrNoSpace says that the store is full; nothing of the call remains.
	ErrNoSpace = errors.New("no space left in the store")
	// ErrNotWritable says that the store takes no writes at present, as a file system that has turned read-only.
	ErrNotWritable = errors.New("the store takes no writes")
	// ErrKey says that the key is malformed. Keys come from typed values, so this is a bug.
	ErrKey = errors.New("malformed key")
)

// UnavailableError says that the service of a Store does not answer, and when to ask again.
type UnavailableError struct {
	RetryAfter time.Duration
	Cause      error
}

func (e *UnavailableError) Error() string { return "the store does not answer: " + e.Cause.Error() }

// Unwrap gives what the service said last.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// ClaimedError says that another process holds a name.
type ClaimedError struct {
	Name string
	Note string // what the holder wrote; empty if it has not written yet
}

func (e *ClaimedError) Error() string {
	if e.Note == "" {
		return fmt.Sprintf("%s is held by a process that has just begun", e.Name)
	}
	return fmt.Sprintf("%s is held by %s", e.Name, e.Note)
}

// State is where an object stands on its way out.
type State uint8

// Live and Condemned objects are there for every reader. A condemned one waits to be revived or
// destroyed; a gone one has no state, only ErrNotExist.
const (
	Live State = iota
	Condemned
)

// Version stands for one content of one object. It is comparable, and opaque to the caller.
type Version string

// Stamp identifies what a key or a prefix held at one moment, for caches. Two equal settled stamps
// of one key mean equal content.
type Stamp [4]int64

// Info describes an object.
type Info struct {
	Size    int64 // bytes
	ModTime time.Time
	State   State
	Stamp   Stamp
	// Settled says that a later change is sure to change Stamp, so that it may validate a cache.
	Settled bool
	// DataKey names the bytes, for a DataOpener and a Presigner. It is empty where the object's own key
	// alone finds them.
	DataKey DataKey
}

// DataKey is the key under which a store keeps the bytes of one object: opaque to the caller, who may
// write it down. It names the same bytes until the object is destroyed, and nothing afterwards.
type DataKey string

// Value is a small object read whole.
type Value struct {
	Info
	Data    []byte
	Version Version
}

// PutOptions say what must hold for a put to happen. At most one is set.
type PutOptions struct {
	IfAbsent    bool
	IfUnchanged Version
}

// DeleteOptions say what must hold for a delete to happen.
type DeleteOptions struct {
	IfUnchanged Version
	// MayReturn says that the object may be there again after a crash of the machine: nothing waits for the disk. Without
	// IfUnchanged it also says that nobody puts an object of this key again: no trace of this one is kept.
	MayReturn bool
}

// ListOptions say which keys below a prefix are wanted.
type ListOptions struct {
	// After skips all names up to and including this one. It is relative to the prefix.
	After string
	// Deep lists all keys below the prefix; else only those one level below it, and folders.
	Deep bool
}

// Features are what a Store cannot do everywhere, and what it costs there.
type Features struct {
	// ConditionalWrites says that IfAbsent and IfUnchanged hold against other processes, and so do
	// the states of objects. Where they do not, tags cannot be immutable, and nothing may be
	// collected or retained while somebody writes.
	ConditionalWrites bool
	// Service says that the Store lies behind a network: what it shows is durable, an object that Get
	// reads costs no more than a look at it, and blobs have a DataKey. It is known at once.
	Service bool
}

// Entry is one name of a listing, relative to the prefix that was listed. On one level a folder
// has a trailing slash.
type Entry struct {
	Name string
}

// Condemnation is one condemned object, and since when it is.
type Condemnation struct {
	Key     string
	Size    int64
	Since   time.Time // when it was condemned
	Version Version   // of this condemnation: for Destroy
}

// Draft is one object that was prepared and is not published yet.
type Draft struct {
	Key  string // where it would be published
	Data []byte
	At   time.Time
}

// Session is one upload that is under way.
type Session struct {
	ID    string
	Size  int64 // bytes appended so far
	Begun time.Time
}

// Reader finds objects. Live and condemned objects are found alike.
type Reader interface {
	// Open opens the bytes for reading and seeking; the caller closes them. On a filesystem the
	// value is an *os.File, so that a copy to a connection is one sendfile. An object that is
	// deleted while it is open can be read to its end.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error)
	// Get reads a small object whole.
	Get(ctx context.Context, key string) (Value, error)
	// Stat describes an object without reading it.
	Stat(ctx context.Context, key string) (Info, error)
	// List yields the names of live objects under a prefix in lexical order of bytes. It streams:
	// it never holds the whole set, but for the names of one folder. The prefix is a key or empty
	// and names a folder, which need not exist. It ends after the first error.
	List(ctx context.Context, prefix string, opts ListOptions) iter.Seq2[Entry, error]
}

// Writer changes objects. What a successful call changed is durable when it returns.
type Writer interface {
	// Put writes a small object, all or nothing: a reader sees the old content or the new one.
	// Where the object was condemned it is live afterwards. With IfAbsent one of many racing
	// puts wins and the others get ErrExists; a condemned object counts as present. With
	// IfUnchanged the put happens only if the live object still has that version, else it is
	// ErrChanged. Version is that of the new content.
	Put(ctx context.Context, key string, data []byte, opts PutOptions) (Version, error)
	// Prepare writes an object so that Drafts alone shows it, until it is published by one
	// atomic change. It need not survive a crash.
	Prepare(ctx context.Context, key string, data []byte) (Pending, error)
	// Delete removes an object in whatever state it is. It is idempotent: what is gone is no
	// error. With IfUnchanged a live object of another version, or a missing one, is ErrChanged.
	Delete(ctx context.Context, key string, opts DeleteOptions) error
}

// Pending is an object that was prepared. Exactly one of its methods is called, once.
type Pending interface {
	// Publish makes the object live, replacing what has the key. It is durable afterwards. When
	// somebody removed what was prepared it is ErrNotExist. It may be also when somebody put or
	// deleted an object of the key since.
	Publish(ctx context.Context) error
	// Discard removes what was prepared.
	Discard(ctx context.Context) error
}

// Keeper moves objects between the states live, condemned and gone. Each change is atomic and has
// one winner.
type Keeper interface {
	// Condemn makes a live object condemned; one that is condemned already stays so since when it
	// was. What is gone is ErrNotExist.
	Condemn(ctx context.Context, key string) error
	// Revive makes the object live and sees that it is durable: it is what a promise rests on. A
	// live object that this process made durable costs one look. What is gone is ErrNotExist. The
	// State of Info is the one before.
	Revive(ctx context.Context, key string) (Info, error)
	// Destroy ends a condemned object and touches no live one. What is not condemned is
	// ErrNotExist. With IfUnchanged, the version of a Condemnation, what was revived since and is
	// condemned anew is ErrChanged.
	Destroy(ctx context.Context, key string, opts DeleteOptions) error
	// Condemned yields what is condemned under a prefix, in no particular order.
	Condemned(ctx context.Context, prefix string) iter.Seq2[Condemnation, error]
	// Drafts yields what is prepared and not published under a prefix, in no particular order.
	Drafts(ctx context.Context, prefix string) iter.Seq2[Draft, error]
}

// Uploads keeps sessions: bytes that arrive in pieces and become one object. Sessions survive the
// process that began them, but need not survive the machine.
type Uploads interface {
	// CreateUpload begins a session. The id has letters, digits, '-' and '_' only. The label is
	// the caller's and comes back as it was.
	CreateUpload(ctx context.Context, id string, label []byte) error
	// OpenUpload opens a session for one writer at a time. Another writer makes it wait a short
	// while and then answer ErrBusy. A store that cannot see the writers of other processes lets
	// them open, and then the first to save or commit wins and the others get ErrBusy: never does a
	// session hold a mix.
	OpenUpload(ctx context.Context, id string) (Upload, error)
	// StatUpload describes a session without opening it, also while somebody writes to it.
	StatUpload(ctx context.Context, id string) (Session, []byte, error)
	// ListUploads yields all sessions, in no particular order.
	ListUploads(ctx context.Context) iter.Seq2[Session, error]
}

// Upload is a session held by one writer. The caller closes it; after Commit and Cancel, too.
type Upload interface {
	// Label is what CreateUpload was given.
	Label() []byte
	// Size is the number of bytes appended so far, in bytes.
	Size() int64
	// Append reads r to its end. What was read before an error stays appended, and counts. A reader
	// that is Sized says how much memory is worth setting aside.
	Append(ctx context.Context, r io.Reader) (int64, error)
	// Content reads what was appended so far, from its start. The caller closes it.
	Content(ctx context.Context) (io.ReadCloser, error)
	// State is what SaveState was given last, if what it was saved beside has not changed since:
	// the same number of bytes, in the same run of the machine. Else it is nil.
	State() []byte
	// SaveState keeps the caller's notes beside the bytes. It may be lost in a crash.
	SaveState(ctx context.Context, state []byte) error
	// Commit makes the bytes the live object of the key, replacing equal bytes, without copying
	// them, and ends the session. The object is durable afterwards.
	Commit(ctx context.Context, key string) (Info, error)
	// Finish is called after Commit, when what names the object is written. Kept says that nobody
	// can have condemned or destroyed the object between the two, because the session stood in the
	// way; else the caller looks. A caller who does not need to know leaves it out.
	Finish(ctx context.Context) (kept bool, err error)
	// Cancel ends the session and removes its bytes.
	Cancel(ctx context.Context) error
	// Close gives the session up to the next writer. It is idempotent.
	Close() error
}

// Sized is a reader that knows how much is left in it, in bytes; negative if it does not.
type Sized interface {
	Remaining() int64
}

// Store is all of the above: what a backend implements and storagetest proves. Every method may be
// called by many goroutines, and by other processes on the same folder or bucket. A key has components of at
// most 255 bytes, none of them empty, "." or "..", and is never a '/'-prefix of another key. A
// cancelled context makes a call return its error; a write is then either done or not begun.
type Store interface {
	Reader
	Writer
	Keeper
	Uploads
	// Features say what the Store can do where it lies. They are known once it was created or probed.
	Features() Features
	// Probe writes, reads back and removes something, to show that the store answers. A store that is
	// not writable fails it.
	Probe(ctx context.Context) error
	// Sweep removes what crashed writers left behind that is older than an age: temporary data that
	// nothing can name. It returns how many it removed.
	Sweep(ctx context.Context, olderThan time.Duration) (int, error)
	// Claim takes a name for this process, among all processes on the store, until it is released or
	// the process ends, however it ends. It does not wait: what somebody holds is a *ClaimedError
	// with the note of the holder. The context that comes back is a child of ctx and ends also with
	// the claim. Release may be called more than once.
	Claim(ctx context.Context, name, note string) (held context.Context, release func(), err error)
	// Close gives up everything that the Store holds open. Objects that are open stay readable.
	Close() error
}
