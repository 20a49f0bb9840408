package spelling

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"level", "format", "levels", "a"}
	tests := []struct{ name, misspelt, want string }{
		{"a letter too few", "leve", "level"},
		{"another letter", "lefel", "level"},
		{"letters in a wrong order are one slip", "levle", "level"},
		{"capital letters are none", "FORMAT", "format"},
		{"the nearer of two", "levelss", "levels"},
		{"the first of two that are equally near", "levelt", "level"},
		{"nothing alike is nothing", "storage", ""},
		{"a short word has one slip", "b", "a"},
		{"and not two", "bc", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := Nearest(tt.misspelt, words); got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %t, want %q", got, ok, tt.want)
			}
		})
	}
}
