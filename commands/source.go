package commands

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/policy"
)

// source is where a command takes its config from, by the flags that all commands share.
type source struct {
	files     []string
	overrides []config.Override

	withoutSecrets bool             // files of secrets are not read
	compiler       *policy.Compiler // of all configs that are loaded; nil before the first
}

// addFlags adds -c and --data.
func (s *source) addFlags(cmd *cobra.Command) {
	s.addConfigFlag(cmd)
	s.overrideFlag(cmd, "data", "storage.blobs.fs.root", "keep the data in `DIR`", plain)
	if err := cmd.MarkFlagDirname("data"); err != nil {
		panic(err) // the command has no such flag
	}
}

// addConfigFlag adds -c.
func (s *source) addConfigFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&s.files, "config", "c", nil, "read the config from `FILE`; repeat it to lay one over the other")
	if err := cmd.MarkFlagFilename("config", "yaml", "yml", "toml", "json"); err != nil {
		panic(err) // the command has no such flag
	}
}

// overrideFlag adds a flag that sets a key over the files and the environment.
func (s *source) overrideFlag(cmd *cobra.Command, flag, key, usage string, value func(string) string) {
	cmd.Flags().Func(flag, usage, func(text string) error {
		s.overrides = append(s.overrides, config.Override{Flag: "--" + flag, Key: key, Value: value(text)})
		return nil
	})
}

// plain takes the text of a flag as it is.
func plain(text string) string { return text }

func (s *source) load(io IO) (*config.Config, config.Sources, error) {
	return config.Load(s.options(io))
}

// options are what is loaded.
func (s *source) options(io IO) config.Options {
	if s.compiler == nil {
		s.compiler = policy.NewCompiler()
	}
	return config.Options{
		Folders:   io.ConfigFolders,
		Files:     s.files,
		Environ:   io.Environ,
		Overrides: s.overrides,

		WithoutSecrets: s.withoutSecrets, Compiler: s.compiler,
	}
}

// readFrom says which config was read.
func readFrom(sources config.Sources) string {
	if len(sources.Files) == 0 {
		return "no file was found"
	}
	return "read " + strings.Join(sources.Files, ", ")
}
