// Command sreg is the whole registry: the server and the tools around it in one binary.
// It promises the exit code that commands.Main returns.
// It must not know anything else.
package main

import (
	"context"
	"os"

	"github.com/sreg-project/sreg/commands"
)

func main() {
	os.Exit(commands.Main(context.Background(), commands.System(), os.Args[1:]))
}
