package commands

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	"github.com/spf13/cobra"
)

// colourMode says when output has colours.
type colourMode string

const (
	colourAuto   colourMode = "auto" // at a terminal, unless NO_COLOR is set
	colourAlways colourMode = "always"
	colourNever  colourMode = "never"
)

// addColourFlag adds --color to all commands.
func addColourFlag(root *cobra.Command, mode *colourMode) {
	*mode = colourAuto
	value := choice[colourMode]{mode, []colourMode{colourAuto, colourAlways, colourNever}}
	root.PersistentFlags().Var(value, "color", "when to use colours; auto is at a terminal, unless NO_COLOR is set")
	completeFrom(root, "color", strings.Split(value.Type(), "|")...)
}

// tone is what a colour means.
type tone int

const (
	uncoloured tone = iota
	good            // it is as it should be
	bad             // it is not
	unsure          // it may not be
	strong          // a head
)

// tones are the words that have a colour wherever they stand alone in a table.
var tones = map[string]tone{
	"yes": good, "ok": good, "done": good, "no": bad, "failed": bad, "refused": bad, "critical": bad, "error": bad,
	"depends": unsure, "warning": unsure, "interrupted": unsure,
}

// palette paints words for a terminal. The zero value leaves them as they are.
type palette struct{ renderer *lipgloss.Renderer }

// outColours are the colours of standard output, errColours those of standard error.
func (io IO) outColours() palette { return io.colours(io.OutIsTerminal) }
func (io IO) errColours() palette { return io.colours(io.ErrIsTerminal) }

func (io IO) colours(terminal bool) palette {
	mode := colourAuto
	if io.colour != nil {
		mode = *io.colour
	}
	if mode != colourAlways && (mode == colourNever || !terminal || !io.wantsColours()) {
		return palette{}
	}
	renderer := lipgloss.NewRenderer(io.Out)
	renderer.SetColorProfile(termenv.ANSI)
	return palette{renderer}
}

// wantsColours is what the environment says: https://no-color.org, and a terminal that knows colours.
func (io IO) wantsColours() bool {
	values := map[string]string{}
	for _, pair := range io.Environ {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	return values["NO_COLOR"] == "" && values["TERM"] != "" && values["TERM"] != "dumb"
}

// status paints the status of an answer by what it tells; any other word stays as it is.
func (p palette) status(word string) string {
	if len(word) != 3 {
		return word
	}
	return p.paint(map[byte]tone{'2': good, '4': unsure, '5': bad}[word[0]], word)
}

func (p palette) paint(t tone, text string) string {
	if p.renderer == nil || t == uncoloured || text == "" {
		return text
	}
	style := p.renderer.NewStyle().Bold(t != good)
	switch t {
	case good:
		style = style.Foreground(lipgloss.Color("2"))
	case bad:
		style = style.Foreground(lipgloss.Color("1"))
	case unsure:
		style = style.Foreground(lipgloss.Color("3"))
	}
	return style.Render(text)
}
