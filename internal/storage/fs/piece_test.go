package fs

import "testing"

// TestOnlySoManyUploadsHaveALargePiece lends to more than there are for.
func TestOnlySoManyUploadsHaveALargePiece(t *testing.T) {
	t.Parallel()
	var p pieces
	var lent []*piece
	for range largePieces + 3 {
		piece := p.lend()
		if got := len(piece.bytes()); got != smallPiece {
			t.Fatalf("a first piece has %d bytes, want %d", got, smallPiece)
		}
		piece.grow()
		piece.grow()
		lent = append(lent, piece)
	}
	large := 0
	for _, piece := range lent {
		if len(piece.bytes()) == largePiece {
			large++
		}
	}
	if large != largePieces {
		t.Errorf("%d uploads have a large piece, want %d", large, largePieces)
	}
	for _, piece := range lent {
		piece.giveBack()
	}
	if left := p.lent.Load(); left != 0 {
		t.Errorf("%d large pieces are lent when all were given back", left)
	}
}
