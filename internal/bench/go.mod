module github.com/sreg-project/sreg/internal/bench

go 1.26.0

require github.com/sreg-project/sreg v0.0.0

require (
	golang.org/x/sync v0.25.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
)

replace github.com/sreg-project/sreg => ../..
