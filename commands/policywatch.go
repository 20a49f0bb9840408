package commands

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/watch"
)

// watchPolicyTest tests now, and again whenever a file changes, until ctx ends.
func watchPolicyTest(ctx context.Context, io IO, opts policyTest, match *regexp.Regexp) error {
	files := append(slices.Clone(opts.files), configFiles(io, opts.from)...)
	for i, file := range files {
		files[i] = filepath.Clean(file)
	}
	w := watch.New(watched)
	defer func() { _ = w.Close() }()
	for {
		seen := watch.At(files)
		if err := testPolicy(io, opts, match); err != nil {
			report(io, err)
		}
		fmt.Fprintf(io.Err, "watching %s; Ctrl-C ends it\n", strings.Join(files, ", "))
		if err := w.Wait(ctx, seen, nil); err != nil {
			return err
		}
	}
}

// configFiles are the files of the config, as far as they can be told while it may be wrong.
func configFiles(io IO, from source) []string {
	if len(from.files) > 0 {
		return from.files
	}
	_, sources, err := from.load(io)
	if err != nil {
		return nil
	}
	return sources.Files
}
