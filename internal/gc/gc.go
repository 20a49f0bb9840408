// Package gc is the collector: it finds what nothing in the stores needs any more, condemns it, and
// destroys what has been condemned for long enough.
// It promises that nothing which was promised to a client is ever destroyed, whoever pushes beside it and
// wherever it is stopped, and that it says why each thing stays or goes before it acts.
// It must not know how a store is laid out, nor how the rules of retention are written.
package gc
