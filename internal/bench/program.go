package bench

import (
	"fmt"
	"os"
)

// program is something that can be started on a folder and then speaks the distribution API, or
// enough of it, on a loopback port of its own choice.
type program struct {
	name string
	path string
	env  []string
	args func(dir string) ([]string, error)
	// silent is a program that does not speak that API: it is ready when it listens.
	silent bool
}

// programs are the contestants. Unsynced is the subject with sync: false.
type programs struct {
	subject, unsynced, floor, peer program
}

func newPrograms(opts Options) (programs, error) {
	p := programs{floor: floorProgram(opts.Floor), peer: peerProgram(opts.Peer)}
	switch opts.Subject {
	case "", "sreg":
		p.subject, p.unsynced = sregProgram(opts.Sreg), unsyncedSregProgram(opts.Sreg)
	case "peer":
		p.subject, p.unsynced = p.peer, p.peer
	case "floor":
		p.subject, p.unsynced = p.floor, p.floor
	default:
		return programs{}, fmt.Errorf("choose subject: want sreg, peer or floor, got %q", opts.Subject)
	}
	return p, nil
}

// sregProgram is sreg as a newcomer starts it, without a config.
func sregProgram(path string) program {
	return program{name: "sreg", path: path, args: func(dir string) ([]string, error) {
		return []string{"serve", "--address", "127.0.0.1:0", "--data", dir}, nil
	}}
}

// unsyncedSregProgram is sreg that leaves it to the kernel when bytes reach the disk.
func unsyncedSregProgram(path string) program {
	return program{name: "sreg-unsynced", path: path, args: func(dir string) ([]string, error) {
		file, err := writeConfig(dir, fmt.Sprintf("storage: {blobs: {type: fs, fs: {root: %q, sync: false}}}\n", dir))
		return []string{"serve", "--address", "127.0.0.1:0", "-c", file}, err
	}}
}

// floorProgram is the bench itself, called as the floor server.
func floorProgram(path string) program {
	return program{name: "floor", path: path, args: func(dir string) ([]string, error) {
		return []string{FloorCommand, dir}, nil
	}}
}

// peerConfig is the example that the Docker registry ships with, with deletes on, and without what
// would slow it down here: request logs and authentication.
const peerConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  cache: {blobdescriptor: inmemory}
  tag: {concurrencylimit: 8}
  delete: {enabled: true}
http: {addr: "127.0.0.1:0"}
`

// peerProgram is the Docker registry.
func peerProgram(path string) program {
	return program{
		name: "peer", path: path, env: []string{"OTEL_TRACES_EXPORTER=none"},
		args: func(dir string) ([]string, error) {
			file, err := writeConfig(dir, fmt.Sprintf(peerConfig, dir))
			return []string{"serve", file}, err
		},
	}
}

// writeConfig puts a config beside the data folder.
func writeConfig(dir, text string) (string, error) {
	file := dir + ".yaml"
	return file, os.WriteFile(file, []byte(text), 0o600)
}
