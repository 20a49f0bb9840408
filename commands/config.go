package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/telemetry"
)

func newConfig(io IO) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:     "config",
		Short:   "Check and describe the config",
		Long:    "Check the config before a server starts on it, or describe what may stand in it." + exitCodes,
		Example: "  sreg config validate -c sreg.yaml\n  sreg config schema > sreg.schema.json",
	})
	cmd.AddCommand(newConfigValidate(io), newConfigInit(io), newConfigShow(io), newConfigDiff(io), newConfigSchema(io))
	return cmd
}

// validateOptions are the flags of config validate.
type validateOptions struct {
	from   source
	online bool
	output format
}

func newConfigValidate(io IO) *cobra.Command {
	var opts validateOptions
	cmd := &cobra.Command{
		Use:        "validate",
		SuggestFor: []string{"check", "test", "lint"},
		Short:      "Check the config and show every mistake in it",
		Long: "Do everything that sreg serve does before it listens, with the same files, environment\n" +
			"and flags, and show every mistake with its place. Nothing is created or changed.\n\n" +
			"With --online look also at what the config names outside: stores, Redis, OIDC providers\n" +
			"and webhooks, and whether its certificates are valid now. A store is written to, below\n" +
			"a key of its own, and what was written is removed, also after a failure; so it is in\n" +
			"Redis. Providers are asked for their keys. To a webhook a connection is made, with TLS\n" +
			"if its URL has it, and nothing is asked.\n" +
			"What fails there exits with 1; a mistake in the config exits with 2." + exitCodes,
		Example: "  sreg config validate\n" +
			"  sreg config validate -c sreg.yaml -c production.yaml\n" +
			"  sreg config validate --online\n" +
			"  sreg config validate --online -o json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runConfigValidate(cmd.Context(), io, opts) },
	}
	opts.from.addFlags(cmd)
	cmd.Flags().BoolVar(&opts.online, "online", false, "look also whether stores, Redis, OIDC providers and webhooks answer")
	addOutputFlag(cmd, &opts.output)
	return cmd
}

func runConfigValidate(ctx context.Context, io IO, opts validateOptions) error {
	if opts.output == formatJSON && !opts.online {
		return &usageError{message: "-o json shows what --online sees", hint: "add --online"}
	}
	cfg, sources, err := opts.from.load(io)
	if err != nil {
		return err
	}
	io.warnOf(cfg.Warnings(sources, opts.from.compiler, time.Now()))
	elsewhere := io.unanswered
	if opts.online {
		elsewhere = snapshot.IsStoreError // the check shows it, with all others
	}
	err = tryStart(ctx, io, cfg, sources, opts.from.compiler, elsewhere)
	if err == nil && opts.online {
		err = io.checkOnline(ctx, cfg, sources, opts.output)
	}
	if err != nil || opts.output == formatJSON {
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
// cannot be built is a mistake in the config, unless it is of another kind.
func tryStart(ctx context.Context, io IO, cfg *config.Config, sources config.Sources, compiler *policy.Compiler, elsewhere func(error) bool) error {
	log, err := telemetry.New(io.Err, io.ErrIsTerminal, cfg.Log)
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
	_, err = server.New(server.Options{Config: cfg.Server, Logger: log.Logger})
	note("server.tls", err)
	shared := snapshot.NewShared(snapshot.SharedOptions{Logger: log.Logger, Metrics: metrics, Version: build.Version, Compiler: compiler})
	defer shared.Close()
	built, err := snapshot.Build(ctx, cfg, shared)
	if err == nil {
		err = built.Close()
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if elsewhere(err) {
		err = nil
	}
	note("storage", err)
	if len(mistakes.Problems) > 0 {
		return &mistakes
	}
	return nil
}

// unanswered tells whether a service does not answer, which is no mistake in the config, and says so.
func (io IO) unanswered(err error) bool {
	var away *storage.UnavailableError
	if !errors.As(err, &away) {
		return false
	}
	io.warn("the store was not looked at: " + textOf(away))
	return true
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

// checkedJSON is one check as JSON.
type checkedJSON struct {
	Key          string   `json:"key"`
	Where        string   `json:"where"`
	Did          string   `json:"did"`
	OK           bool     `json:"ok"`
	Error        string   `json:"error,omitempty"`
	Notes        []string `json:"notes"`
	Milliseconds int64    `json:"milliseconds"`
}

// checkOnline checks the services that the config names, and prints a line for each. A check that failed is an error of
// the command, and no mistake in the config: the service may be at fault.
func (io IO) checkOnline(ctx context.Context, cfg *config.Config, sources config.Sources, output format) error {
	checked := snapshot.CheckOnline(ctx, cfg, cfg.Certificates(sources, time.Now()))
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := io.printChecked(checked, output); err != nil {
		return err
	}
	var failed []string
	for _, s := range checked {
		if s.Err != nil {
			failed = append(failed, s.Key)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d checks failed: %s", len(failed), len(checked), strings.Join(failed, ", "))
	}
	return nil
}

func (io IO) printChecked(checked []snapshot.Checked, output format) error {
	if output == formatJSON {
		list := make([]checkedJSON, len(checked))
		for i, s := range checked {
			list[i] = checkedJSON{
				Key: s.Key, Where: s.Where, Did: s.Did, OK: s.Err == nil, Error: textOf(s.Err),
				Notes: append([]string{}, s.Notes...), Milliseconds: s.Took.Milliseconds(),
			}
		}
		return io.printJSON(list)
	}
	var rows [][]string
	for _, s := range checked {
		result, what := "ok", s.Did
		if s.Err != nil {
			result, what = "failed", textOf(s.Err)
		}
		if len(s.Notes) > 0 {
			what += "; " + strings.Join(s.Notes, "; ")
		}
		rows = append(rows, []string{result, s.Key, s.Where, s.Took.Round(time.Millisecond).String(), what})
	}
	return io.printHeaded([]string{"RESULT", "KEY", "WHERE", "TIME", "WHAT"}, rows)
}
