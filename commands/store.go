package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/telemetry"
)

// openedStore is what a command on a store works with.
type openedStore struct {
	*snapshot.Core
	config *config.Config
}

// close closes the stores when the command ends, with whose error it goes on.
func (s *openedStore) close(err *error) { *err = errors.Join(*err, s.Close()) }

// openStore opens the stores of the config, which must be there already: a command that looks after a
// store never makes an empty one of a mistyped folder. The caller defers close.
func openStore(ctx context.Context, io IO, from source) (*openedStore, error) {
	from.withoutSecrets = true // whoever looks after the data need not know how people sign in
	cfg, sources, err := from.load(io)
	if err != nil {
		return nil, err
	}
	io.warnOf(cfg.Idle(sources))
	log, err := telemetry.New(io.Err, io.ErrIsTerminal, cfg.Log)
	if err != nil {
		return nil, err
	}
	core, err := snapshot.OpenCore(ctx, cfg, snapshot.NewShared(snapshot.SharedOptions{Logger: log.Logger, Metrics: prometheus.NewRegistry()}))
	if err != nil {
		return nil, withDataHint(placed(err, sources))
	}
	created, err := core.Maintenance.Created(ctx)
	lost := false
	if err == nil && !created {
		lost, err = core.Maintenance.LostFormat(ctx)
	}
	switch {
	case err != nil || created:
	case lost:
		err = hintedError{
			fmt.Errorf("the store in %s has objects and no _format, which says what they are", core.Roots()[0]),
			"restore the file _format from a backup, or let sreg serve write it anew",
		}
	default:
		err = &usageError{
			message: fmt.Sprintf("there is no store in %s", core.Roots()[0]),
			hint:    "name its folder with --data, or the config that names its place with -c",
		}
	}
	if err != nil {
		return nil, errors.Join(err, core.Close())
	}
	return &openedStore{Core: core, config: cfg}, nil
}
