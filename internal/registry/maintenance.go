package registry

import "github.com/sreg-project/sreg/internal/oci"

// Maintenance is what whoever looks after the stores asks of them: a collector, a verification, a restore
// from the trash, and listings of all that there is. It shows namespaces that clients are not shown, and
// removes what clients may not remove. It reads past the caches: they are for what clients ask, and would hold
// nothing of that after one run.
type Maintenance struct{ *core }

// Maintenance is that of the stores of a Registry.
func (r *Registry) Maintenance() *Maintenance { return &Maintenance{r.core} }

// ReadOnly tells whether the registry takes no writes, nor its stores perhaps.
func (m *Maintenance) ReadOnly() bool { return m.config.ReadOnly }

// WhileReadOnly is the Maintenance for a collector that may write because nobody else does: every server on
// the stores is read-only.
func (m *Maintenance) WhileReadOnly() *Maintenance {
	writing := *m.core
	writing.config.ReadOnly = false
	return &Maintenance{&writing}
}

// pushing is the Registry by which a repair pushes what it got back, also into a mirror.
func (m *Maintenance) pushing(ns oci.Name) *Registry {
	return &Registry{core: m.core, filling: m.rules.mirror(ns)}
}
