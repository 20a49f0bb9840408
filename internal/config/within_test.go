package config

import "testing"

func TestAPlaceWithinAnExpressionIsFoundInTheDocument(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, document string
		start, inside  position
		want           position
	}{
		{"plain", "a: xyz", position{1, 4}, position{1, 3}, position{1, 6}},
		{"in single quotes", "a: 'x''yz'", position{1, 4}, position{1, 3}, position{1, 8}},
		{"in double quotes", `a: "x\"y\u0041z"`, position{1, 4}, position{1, 5}, position{1, 15}},
		{"behind wide characters", "a: 'é€z'", position{1, 4}, position{1, 3}, position{1, 7}},
		{"at the end of a text", "a: 'xy'", position{1, 4}, position{1, 3}, position{1, 7}},
		{"behind a byte order mark", "\ufeffa: xyz", position{1, 4}, position{1, 2}, position{1, 5}},
		{"in a block", "a: |\n  x\n  y", position{1, 4}, position{2, 1}, position{line: 3}},
		{"in a folded block", "a: >\n  x\n  y", position{1, 4}, position{1, 9}, position{line: 2}},
		{"in three quotes", "a = '''\nx\ny'''", position{1, 5}, position{2, 1}, position{line: 3}},
		{"in three quotes with text behind them", "a = '''x\ny'''", position{1, 5}, position{2, 1}, position{line: 2}},
		{"behind an alias", "a: *x", position{1, 4}, position{1, 9}, position{1, 4}},
		{"in a text over several lines", "a: x\n  y", position{1, 4}, position{2, 1}, position{1, 4}},
		{"behind the end of the line", "a:", position{1, 9}, position{1, 1}, position{1, 9}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := within([]byte(tc.document), tc.start, tc.inside)
			if !ok || got != tc.want {
				t.Errorf("got %v %t, want %v", got, ok, tc.want)
			}
		})
	}
	if _, ok := within(nil, position{}, position{1, 1}); ok {
		t.Error("finds a place without a document")
	}
}
