package fs

import (
	"sync"
	"sync/atomic"
)

// A body is read and written in pieces of these sizes, in bytes. The small one is enough that system
// calls do not count. A body that has shown to be long gets the large one: the page cache takes a
// large write in large folios, which saves a seventh of the processor's time for hash, copy and write
// together. Only so many uploads have one at a time, so that many at once stay small.
const (
	smallPiece  = 256 << 10
	largePiece  = 1 << 20
	largePieces = 16
)

// pieces are buffers for uploads.
type pieces struct {
	small sync.Pool // of *[smallPiece]byte
	large sync.Pool // of *[largePiece]byte
	lent  atomic.Int32
}

// piece is a buffer that is lent to one upload.
type piece struct {
	from  *pieces
	small *[smallPiece]byte
	large *[largePiece]byte
}

func (p *pieces) lend() *piece {
	small, ok := p.small.Get().(*[smallPiece]byte)
	if !ok {
		small = new([smallPiece]byte)
	}
	return &piece{from: p, small: small}
}

func (p *piece) bytes() []byte {
	if p.large != nil {
		return p.large[:]
	}
	return p.small[:]
}

// grow takes a large piece, if there is one left.
func (p *piece) grow() {
	if p.large != nil {
		return
	}
	if p.from.lent.Add(1) > largePieces {
		p.from.lent.Add(-1)
		return
	}
	var ok bool
	if p.large, ok = p.from.large.Get().(*[largePiece]byte); !ok {
		p.large = new([largePiece]byte)
	}
}

func (p *piece) giveBack() {
	p.from.small.Put(p.small)
	if p.large != nil {
		p.from.large.Put(p.large)
		p.from.lent.Add(-1)
	}
}
