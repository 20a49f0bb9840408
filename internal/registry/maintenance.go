package registry

import "github.com/sreg-project/sreg/internal/oci"

// Maintenance is what collectors, verifications, restores from the trash and complete listings ask of the stores. It
// shows namespaces that clients are not shown, and removes what clients may not remove. It does not use the caches: one
// run would fill them with what no client asks for.
type Maintenance struct{ *core }

// Maintenance is that of the stores of a Registry.
func (r *Registry) Maintenance() *Maintenance { return &Maintenance{r.core} }

// ReadOnly tells whether the registry takes no writes. Then its stores may take none either.
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
