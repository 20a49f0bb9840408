package snapshot

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/authz"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/webhook"
)

// buildAuthorizer puts together who may do what: the policies and the webhooks.
func (s *Snapshot) buildAuthorizer(cfg *config.Config) error {
	webhooks, err := s.buildWebhooks(cfg)
	if err != nil {
		return err
	}
	opts := authz.Options{
		Policies: s.rules.Access, Webhooks: webhooks, Metrics: s.shared.metrics.authorization, Logger: s.shared.Logger,
		Audit: s.audit(cfg),
		// The config lets nobody do without a policy unless all listeners are this computer's alone.
		Open:       cfg.Policy == nil,
		Tags:       s.Registry,
		HideDenied: cfg.Policy != nil && cfg.Policy.HideDenied,
	}
	s.authorizer, err = authz.New(opts)
	return err
}

func (s *Snapshot) audit(cfg *config.Config) access.Audit {
	return access.Audit{Logger: s.shared.Audit, Required: cfg.Log.Audit.Required}
}

func (s *Snapshot) buildWebhooks(cfg *config.Config) (map[string]*webhook.Client, error) {
	webhooks := map[string]*webhook.Client{}
	var mistakes config.Error
	for i, c := range cfg.Webhooks {
		answers := s.caches.own
		if c.Shareable() {
			answers = s.caches.all
		}
		client, err := webhook.New(c, s.shared.metrics.webhooks, answers)
		if err != nil {
			mistakes.Problems = append(mistakes.Problems, problem(setting.Below(fmt.Sprintf("webhooks[%d]", i), err)))
			continue
		}
		s.opened = append(s.opened, client.Close)
		webhooks[c.Name] = client
	}
	if len(mistakes.Problems) > 0 {
		return nil, &mistakes
	}
	return webhooks, nil
}
