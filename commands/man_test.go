package commands_test

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sreg-project/sreg/commands"
)

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is the manual page of a command, with all that its help says.
func manPage(cmd *cobra.Command) []byte {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	// A date would change the pages every day.
	fmt.Fprintf(&b, ".nh\n.TH \"%s\" \"1\" \"\" \"sreg\" \"sreg manual\"\n", strings.ToUpper(manName(cmd)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	if !cmd.IsAdditionalHelpTopicCommand() {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fR\n", roff(cmd.UseLine()))
	}
	b.WriteString(".SH DESCRIPTION\n")
	long, _, _ := strings.Cut(cmd.Long, "\n\nExit codes: see")
	manText(&b, long)
	manCommands(&b, cmd)
	if cmd.LocalFlags().HasAvailableFlags() && !cmd.IsAdditionalHelpTopicCommand() {
		b.WriteString(".SH OPTIONS\n")
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { manFlag(&b, f) })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { manFlag(&b, f) })
	}
	if !cmd.IsAdditionalHelpTopicCommand() {
		b.WriteString(".SH EXIT STATUS\n")
		topic, _, err := commands.NewRoot(commands.IO{}).Find([]string{"exit-codes"})
		if err != nil {
			panic(err) // the tree has it
		}
		_, codes, _ := strings.Cut(topic.Long, "\n\n")
		manText(&b, codes)
	}
	fmt.Fprintf(&b, ".SH EXAMPLES\n")
	manText(&b, cmd.Example)
	manSeeAlso(&b, cmd)
	return []byte(b.String())
}

func manCommands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, child := range cmd.Commands() {
		if !child.Hidden {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(strings.ReplaceAll(manName(child), "-", " ")), roff(child.Short))
		}
	}
}

func manFlag(b *strings.Builder, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	name, usage := pflag.UnquoteUsage(f)
	short := ""
	if f.Shorthand != "" {
		short = fmt.Sprintf(`\fB\-%s\fR, `, f.Shorthand)
	}
	fmt.Fprintf(b, ".TP\n%s\\fB\\-\\-%s\\fR", short, roff(f.Name))
	if name != "" {
		fmt.Fprintf(b, ` \fI%s\fR`, roff(name))
	}
	text := usage
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
		text += " (default " + f.DefValue + ")"
	}
	fmt.Fprintf(b, "\n%s\n", roff(text))
}

func manSeeAlso(b *strings.Builder, cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, manName(cmd.Parent()))
	}
	for _, child := range cmd.Commands() {
		if !child.Hidden {
			pages = append(pages, manName(child))
		}
	}
	for i, page := range pages {
		pages[i] = `\fB` + roff(page) + `\fR(1)`
	}
	fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(pages, ", "))
}

// manText writes paragraphs; lines that begin with a space stay as they are.
func manText(b *strings.Builder, text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, " ") {
			fmt.Fprintf(b, ".PP\n.EX\n%s\n.EE\n", roff(paragraph))
			continue
		}
		fmt.Fprintf(b, ".PP\n%s\n", roff(paragraph))
	}
}

// roff escapes what the formatter would take for its own.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
