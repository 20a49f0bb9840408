package registrytest

import (
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// ShowIf decides about each name by itself, however long that takes.
func ShowIf(show func(oci.Name) bool) registry.Show {
	return func(names []oci.Name, _ time.Time) []bool {
		shown := make([]bool, len(names))
		for i, name := range names {
			shown[i] = show(name)
		}
		return shown
	}
}
