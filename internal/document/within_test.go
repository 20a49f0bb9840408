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
		{"in a block", "a: |\n  x\n  y", Position{1, 4}, Position{2, 1}, Position{Line: 3}},
		{"in a folded block", "a: >\n  x\n  y", Position{1, 4}, Position{1, 9}, Position{Line: 2}},
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
