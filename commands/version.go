package commands

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/telemetry"
)

// version is set by the linker in a release: -X github.com/sreg-project/sreg/commands.version=v1.2.3
var version string

func newVersion(io IO) *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show which version this is",
		Long:    "Show the version, the commit it was built from, the Go version and the platform." + exitCodes,
		Example: "  sreg version\n  sreg version -o json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runVersion(io, output) },
	}
	addOutputFlag(cmd, &output)
	return cmd
}

func runVersion(io IO, output format) error {
	build := currentBuild()
	if output == formatJSON {
		return io.printJSON(build)
	}
	return io.printTable([][]string{
		{"version", build.Version},
		{"commit", build.Commit},
		{"go", build.GoVersion},
		{"platform", build.Platform},
	})
}

// currentBuild is what the linker and the Go tool noted in this binary.
func currentBuild() telemetry.Build {
	build := telemetry.Build{
		Version:   version,
		Commit:    "unknown",
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return orDevelopment(build)
	}
	if build.Version == "" {
		build.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			build.Commit = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			build.Commit += " (modified)"
		}
	}
	return orDevelopment(build)
}

func orDevelopment(build telemetry.Build) telemetry.Build {
	if build.Version == "" || build.Version == "(devel)" {
		build.Version = "development"
	}
	return build
}
