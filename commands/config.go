package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/telemetry"
)

func newConfig(io IO) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:     "config",
		Short:   "Check and describe the config",
		Long:    "Check the config before a server starts on it, or describe what may stand in it." + exitCodes,
		Example: "  sreg config validate -c sreg.yaml\n  sreg config schema > sreg.schema.json",
	})
	cmd.AddCommand(newConfigValidate(io), newConfigSchema(io))
	return cmd
}

func newConfigValidate(io IO) *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the config and show every mistake in it",
		Long: "Do everything that sreg serve does before it listens, with the same files, environment\n" +
			"and flags, and show every mistake with its place. Nothing is created or changed." + exitCodes,
		Example: "  sreg config validate\n  sreg config validate -c sreg.yaml -c production.yaml",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runConfigValidate(cmd.Context(), io, from) },
	}
	from.addFlags(cmd)
	return cmd
}

func runConfigValidate(ctx context.Context, io IO, from source) error {
	cfg, sources, err := from.load(io)
	if err != nil {
		return err
	}
	io.warnOf(cfg.Warnings(sources))
	if err := tryStart(ctx, io, cfg, sources); err != nil {
		return err
	}
	read := "defaults"
	if len(sources.Files) > 0 {
		read = strings.Join(sources.Files, ", ")
	}
	_, err = fmt.Fprintf(io.Out, "ok: %s\n", read)
	return err
}

// tryStart builds what a server is built of, and takes it apart again. What
// cannot be built is a mistake in the config.
func tryStart(ctx context.Context, io IO, cfg *config.Config, sources config.Sources) error {
	logger, err := telemetry.New(io.Err, io.ErrIsTerminal, cfg.Log)
	if err != nil {
		return mistake(sources, "log", err)
	}
	build := currentBuild()
	metrics := telemetry.NewMetrics(build)
	var mistakes config.Error
	note := func(key string, err error) {
		var known *config.Error
		switch {
		case errors.As(placed(err, sources), &known):
			mistakes.Problems = append(mistakes.Problems, known.Problems...)
		case err != nil:
			mistakes.Problems = append(mistakes.Problems, mistake(sources, key, err).Problems...)
		}
	}
	_, err = server.New(server.Options{Config: cfg.Server, Logger: logger, Registerer: metrics})
	note("server.tls", err)
	built, err := snapshot.Build(ctx, cfg, snapshot.Shared{
		Logger: logger, Metrics: metrics, Version: build.Version, Draining: func() bool { return false },
	})
	if err == nil {
		err = built.Close()
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	note("storage", err)
	if len(mistakes.Problems) > 0 {
		return &mistakes
	}
	return nil
}

// placed adds to the mistakes of an error where in the config they stand.
func placed(err error, sources config.Sources) error {
	var known *config.Error
	if !errors.As(err, &known) {
		return err
	}
	there := &config.Error{}
	for _, p := range known.Problems {
		p.Origin = sources.Of(p.Key)
		there.Problems = append(there.Problems, p)
	}
	return there
}

// warnOf shows what is allowed in a config and likely not meant.
func (io IO) warnOf(warnings []config.Problem) {
	for _, w := range warnings {
		io.warn(w.String())
	}
}

// mistake blames a key for what could not be built.
func mistake(sources config.Sources, key string, err error) *config.Error {
	return &config.Error{Problems: []config.Problem{{Origin: sources.Of(key), Key: key, Message: err.Error()}}}
}

func newConfigSchema(io IO) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the config",
		Long: "Print the JSON Schema of a config file. Editors check a file against it while it is\n" +
			"written, and show what each key means." + exitCodes,
		Example: "  sreg config schema > sreg.schema.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = io.Out.Write(schema)
			return err
		},
	}
}
