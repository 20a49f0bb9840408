package commands

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// table is rows of cells. The first row is the head if it has one.
type table struct {
	rows   [][]string
	headed bool
}

const (
	gap     = "  " // between two columns
	legible = 20   // how wide a column of words should be
	narrow  = 6    // how wide a column is at least, however narrow the terminal is
)

// printTable prints rows without a head.
func (io IO) printTable(rows [][]string) error { return io.print(table{rows: rows}) }

// printHeaded prints rows under a head. Of no rows a pipe gets nothing, and people get no column that says nothing.
func (io IO) printHeaded(head []string, rows [][]string) error {
	if len(rows) == 0 && !io.OutIsTerminal {
		return nil
	}
	t := table{rows: append([][]string{head}, rows...), headed: true}
	if io.OutIsTerminal && len(rows) > 0 {
		t.dropEmpty()
	}
	return io.print(t)
}

// dropEmpty leaves out the columns whose cells are empty but for their head.
func (t table) dropEmpty() {
	var used []int
	for j := range t.rows[0] {
		if slices.ContainsFunc(t.rows[1:], func(row []string) bool { return row[j] != "" }) {
			used = append(used, j)
		}
	}
	for i, row := range t.rows {
		t.rows[i] = make([]string, len(used))
		for k, j := range used {
			t.rows[i][k] = row[j]
		}
	}
}

// print prints a table: in columns that fit the terminal for people, and separated by tabs for pipes.
func (io IO) print(t table) error {
	shown := table{rows: make([][]string, len(t.rows)), headed: t.headed}
	for i, row := range t.rows {
		for _, cell := range row {
			shown.rows[i] = append(shown.rows[i], printable(cell))
		}
	}
	var b strings.Builder
	if io.OutIsTerminal {
		shown.write(&b, io.Width, io.outColours())
	} else {
		for _, row := range shown.rows {
			b.WriteString(strings.Join(row, "\t") + "\n")
		}
	}
	_, err := fmt.Fprint(io.Out, b.String())
	return err
}

// write writes the columns. Where they are wider than the terminal digests are cut, and then cells take several lines.
func (t table) write(b *strings.Builder, width int, colours palette) {
	widths := t.widest(lipgloss.Width)
	if width > 0 && across(widths) > width {
		t.cutDigests()
		widths = t.widest(lipgloss.Width)
		// First what has words is wrapped, then what has long ones, then short cells, and in the end anything.
		words := t.widest(longestWord)
		shrink(widths, width, func(j int) int { return max(words[j], legible) })
		shrink(widths, width, func(int) int { return legible })
		shrink(widths, width, func(j int) int { return min(words[j], legible) })
		shrink(widths, width, func(int) int { return narrow })
	}
	for i, row := range t.rows {
		lines, height := make([][]string, len(row)), 1
		for j, cell := range row {
			lines[j] = wrapCell(cell, widths[j])
			height = max(height, len(lines[j]))
		}
		for n := range height {
			line := ""
			for j, cell := range row {
				text := ""
				if n < len(lines[j]) {
					text = lines[j][n]
				}
				colour := tones[cell]
				if t.headed && i == 0 {
					colour = strong
				}
				line += colours.paint(colour, text) + strings.Repeat(" ", widths[j]-lipgloss.Width(text)) + gap
			}
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
}

// widest measures the cells of each column.
func (t table) widest(measure func(cell string) int) []int {
	var widths []int
	for _, row := range t.rows {
		for j, cell := range row {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], measure(cell))
		}
	}
	return widths
}

// across is how wide columns are together.
func across(widths []int) int {
	sum := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// shrink takes from the widest columns what is too much, but makes none narrower than least says.
func shrink(widths []int, width int, least func(column int) int) {
	for across(widths) > width {
		widest := -1
		for j, w := range widths {
			if w > least(j) && (widest < 0 || w > widths[widest]) {
				widest = j
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

func longestWord(cell string) int {
	longest := 0
	for word := range strings.FieldsSeq(cell) {
		longest = max(longest, lipgloss.Width(word))
	}
	return longest
}

// longDigest is a digest, of which a narrow terminal shows eight digits.
var longDigest = regexp.MustCompile(`(sha(?:256|512):[0-9a-f]{8})[0-9a-f]{24,}`)

func (t table) cutDigests() {
	for _, row := range t.rows {
		for j, cell := range row {
			row[j] = longDigest.ReplaceAllString(cell, "$1...")
		}
	}
}

// wrapCell breaks a cell into lines, between words where it can.
func wrapCell(cell string, width int) []string {
	if lipgloss.Width(cell) <= width {
		return []string{cell}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(cell) {
		if line != "" && lipgloss.Width(line)+1+lipgloss.Width(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for line = word; lipgloss.Width(line) > width; {
			head := cut(line, width)
			lines, line = append(lines, head), line[len(head):]
		}
	}
	return append(lines, line)
}

// cut is the beginning of a word that fits, up to a / : @ or comma if there is one in its second half.
func cut(word string, width int) string {
	end := len(word)
	for i := range word {
		if lipgloss.Width(word[:i]) > width {
			break
		}
		end = i
	}
	end = max(end, 1)
	if at := strings.LastIndexAny(word[:end], "/:@,"); at >= end/2 {
		return word[:at+1]
	}
	return word[:end]
}
