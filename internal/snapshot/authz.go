package snapshot

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/authz"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/webhook"
)

// buildAuthorizer puts together who may do what: the policies and the webhooks.
func (s *Snapshot) buildAuthorizer(cfg *config.Config, shared Shared) error {
	metrics, err := authz.NewMetrics(shared.Metrics)
	if err != nil {
		return err
	}
	webhooks, err := s.buildWebhooks(cfg, shared)
	if err != nil {
		return err
	}
	opts := authz.Options{
		Webhooks: webhooks, Metrics: metrics, Logger: shared.Logger, Audit: shared.Audit,
		// The config lets nobody do without a policy unless all listeners are this computer's alone.
		Open: cfg.Policy == nil,
	}
	var global *policy.Policy
	if cfg.Policy != nil {
		if global, err = policy.Compile(policy.Global, cfg.Policy.Config); err != nil {
			return err
		}
		opts.Webhook, opts.HideDenied = cfg.Policy.Webhook, cfg.Policy.HideDenied
	}
	repositories := make([]policy.Repository, len(cfg.Repositories))
	opts.Repositories = make([]authz.Repository, len(cfg.Repositories))
	for i, r := range cfg.Repositories {
		name, err := oci.ParseName(r.Name)
		if err != nil {
			return err
		}
		repositories[i].Name, opts.Repositories[i].Name = name, name
		if r.Policy == nil {
			continue
		}
		if repositories[i].Policy, err = policy.Compile(r.Name, *r.Policy); err != nil {
			return err
		}
		opts.Repositories[i].Webhook = r.Policy.Webhook
	}
	opts.Policies = policy.NewChain(global, repositories)
	s.Authorizer, err = authz.New(opts)
	return err
}

func (s *Snapshot) buildWebhooks(cfg *config.Config, shared Shared) (map[string]*webhook.Client, error) {
	metrics, err := webhook.NewMetrics(shared.Metrics)
	if err != nil {
		return nil, err
	}
	webhooks := map[string]*webhook.Client{}
	var mistakes config.Error
	for i, c := range cfg.Webhooks {
		client, err := webhook.New(c, metrics)
		if err != nil {
			mistakes.Problems = append(mistakes.Problems, config.Problem{Key: fmt.Sprintf("webhooks[%d]", i), Message: err.Error()})
			continue
		}
		s.closers = append(s.closers, client.Close)
		webhooks[c.Name] = client
	}
	if len(mistakes.Problems) > 0 {
		return nil, &mistakes
	}
	return webhooks, nil
}
