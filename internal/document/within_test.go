package document

import "testing"

func TestAPlaceWithinAnExpressionIsFoundInTheDocument(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, document string
		start, inside  Position
		want           Position
	}{
		{"plain", "a: xyz", Position{1, 4}, Position{1, 3}, Position{1, 6}},
		{"in single quotes", "a: 'x''yz'", Position{1, 4}, Position{1, 3}, Position{1, 8}},
		{"in double quotes", `a: "x\"y\u0041z"`, Position{1, 4}, Position{1, 5}, Position{1, 15}},
		{"behind wide characters", "a: 'é€z'", Position{1, 4}, Position{1, 3}, Position{1, 7}},
		{"at the end of a text", "a: 'xy'", Position{1, 4}, Position{1, 3}, Position{1, 7}},
		{"behind a byte order mark", "\ufeffa: xyz", Position{1, 4}, Position{1, 2}, Position{1, 5}},
		{"in a block", "a: |\n  x\n  y", Position{1, 4}, Position{2, 1}, Position{3, 3}},
		{"in the first line of a block", "a: |-\n\n    xyz\n  y", Position{1, 4}, Position{2, 3}, Position{3, 7}},
		{"in a line of a block that begins later", "a: |\n  x\n    y", Position{1, 4}, Position{2, 3}, Position{3, 5}},
		{"behind a block", "a: |\n  x\nb: y", Position{1, 4}, Position{3, 1}, Position{2, 3}},
		{"in a block with its indentation", "a: |2\n   x\n  y", Position{1, 4}, Position{2, 1}, Position{Line: 3}},
		{"in a folded block", "a: >\n  x1\n  y", Position{1, 4}, Position{1, 2}, Position{2, 4}},
		{"in the second line of a folded block", "a: >\n  x1\n  yz", Position{1, 4}, Position{1, 5}, Position{3, 4}},
		{"behind a line of a folded block that begins later", "a: >\n  x\n    y\n  z", Position{1, 4}, Position{3, 1}, Position{4, 3}},
		{"behind an empty line of a folded block", "a: >\n  x\n\n  y", Position{1, 4}, Position{2, 1}, Position{4, 3}},
		{"at the end of a folded block", "a: >\n  x\n  y", Position{1, 4}, Position{1, 9}, Position{3, 9}},
		{"in three quotes", "a = '''\nx\ny'''", Position{1, 5}, Position{2, 1}, Position{Line: 3}},
		{"in three quotes with text behind them", "a = '''x\ny'''", Position{1, 5}, Position{2, 1}, Position{Line: 2}},
		{"behind an alias", "a: *x", Position{1, 4}, Position{1, 9}, Position{1, 4}},
		{"in a text over several lines", "a: x\n  y", Position{1, 4}, Position{2, 1}, Position{1, 4}},
		{"behind the end of the line", "a:", Position{1, 9}, Position{1, 1}, Position{1, 9}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := Within([]byte(tc.document), tc.start, tc.inside)
			if !ok || got != tc.want {
				t.Errorf("got %v %t, want %v", got, ok, tc.want)
			}
		})
	}
	if _, ok := Within(nil, Position{}, Position{1, 1}); ok {
		t.Error("finds a place without a document")
	}
}
