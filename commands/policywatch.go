package commands

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must be at rest before they are read: editors write in several steps.
const settle = 100 * time.Millisecond

// watchPolicyTest tests now, and again whenever a file changes, until ctx ends.
func watchPolicyTest(ctx context.Context, io IO, opts policyTest, match *regexp.Regexp) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	watched, err := watchFolders(watcher, append(slices.Clone(opts.files), configFiles(io, opts.from)...))
	if err != nil {
		return err
	}
	rest := time.NewTimer(0) // the first run is now
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-watcher.Errors:
			return fmt.Errorf("watch files: %w", err)
		case event := <-watcher.Events:
			if slices.Contains(watched, filepath.Clean(event.Name)) {
				rest.Reset(settle)
			}
		case <-rest.C:
			if err := testPolicy(io, opts, match); err != nil {
				report(io, err)
			}
			fmt.Fprintf(io.Err, "watching %s; Ctrl-C ends it\n", strings.Join(watched, ", "))
		}
	}
}

// watchFolders watches the folders of files, for a file that an editor replaces is another one.
func watchFolders(watcher *fsnotify.Watcher, files []string) ([]string, error) {
	watched := make([]string, len(files))
	for i, file := range files {
		watched[i] = filepath.Clean(file)
		if folder := filepath.Dir(file); !slices.Contains(watcher.WatchList(), folder) {
			if err := watcher.Add(folder); err != nil {
				return nil, &usageError{message: fmt.Sprintf("watch %s: %v", folder, err)}
			}
		}
	}
	return watched, nil
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
