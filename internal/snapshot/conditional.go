package snapshot

import (
	"context"
	"fmt"

	"github.com/sreg-project/sreg/internal/config"
)

// ConditionalWritesError says that a config wants what needs conditional writes, and that the service of the store
// honours none.
type ConditionalWritesError struct{ Key string }

func (e *ConditionalWritesError) Error() string {
	return fmt.Sprintf("%s: the service of the store honours no conditional writes (If-Match, If-None-Match), and without them this does not hold", e.Key)
}

// Hint says what to do about it.
func (e *ConditionalWritesError) Hint() string {
	return "take " + e.Key + " out of the config, set registry.read_only, or choose a service that honours them; docs/s3.md names some"
}

// checkConditionalWrites refuses a config that wants what its stores cannot keep.
func (c *Core) checkConditionalWrites(ctx context.Context) error {
	tags, collects := immutableKey(c.config), collectingKey(c.config)
	if tags != "" {
		if holds, err := c.Maintenance.ConditionalTags(ctx); err != nil {
			return err
		} else if !holds {
			return &ConditionalWritesError{Key: tags}
		}
	}
	if collects != "" {
		if holds, err := c.Maintenance.ConditionalWrites(ctx); err != nil {
			return err
		} else if !holds {
			return &ConditionalWritesError{Key: collects}
		}
	}
	return nil
}

// immutableKey is the first key of a config that makes tags immutable, empty if none does.
func immutableKey(cfg *config.Config) string {
	if cfg.Registry.ImmutableTags.Enabled {
		return "registry.immutable_tags"
	}
	for i, repository := range cfg.Repositories {
		if own := repository.ImmutableTags; own != nil && own.Enabled {
			return fmt.Sprintf("repositories[%d].immutable_tags", i)
		}
	}
	return ""
}

// collectingKey is the first key of a config that has something collected or retained, empty if none does.
func collectingKey(cfg *config.Config) string {
	switch {
	case cfg.GC.Schedule != "":
		return "gc.schedule"
	case len(cfg.Retention.Rules) > 0:
		return "retention.rules"
	}
	for i, repository := range cfg.Repositories {
		if len(repository.Retention.Rules) > 0 {
			return fmt.Sprintf("repositories[%d].retention.rules", i)
		}
	}
	return ""
}
