package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// answerTimeout is how long whoever listens on a unix socket may take to answer.
const answerTimeout = time.Second

// ErrInUse says that another program listens on an address.
var ErrInUse = errors.New("already in use")

// binder binds addresses. The sockets of systemd can be asked for once only.
type binder struct {
	inherited func() (map[string][]net.Listener, error)
	asked     bool
	sockets   map[string][]net.Listener
}

func (b *binder) bind(ctx context.Context, l Listener) (net.Listener, error) {
	address, err := ParseAddress(l.Address)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Name, err)
	}
	switch address.Network {
	case "unix":
		return bindUnix(ctx, address.Name, l.Mode)
	case "systemd":
		return b.takeOver(address.Name)
	default:
		return bindTCP(ctx, address.Name)
	}
}

func bindTCP(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hinted{
			fmt.Errorf("address %s is %w", address, ErrInUse),
			"stop the other program or choose another address with --address",
		}
	case errors.Is(err, fs.ErrPermission):
		return nil, hinted{
			fmt.Errorf("listen on %s: permission denied", address),
			"ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one with --address",
		}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, hinted{
			fmt.Errorf("listen on %s: this computer does not have that address", address),
			"choose an address of this computer with --address, such as 127.0.0.1:5000",
		}
	default:
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
}

// bindUnix replaces a socket that a killed process left behind, and nothing else.
func bindUnix(ctx context.Context, path, mode string) (net.Listener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, hinted{
			fmt.Errorf("listen on unix:%s: %w", path, err),
			"the folder of the socket must exist and be writable",
		}
	}
	if mode == "" {
		return l, nil
	}
	bits, err := strconv.ParseUint(mode, 8, 9)
	if err == nil {
		err = os.Chmod(path, fs.FileMode(bits))
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("set mode of unix:%s: %w", path, err)
	}
	return l, nil
}

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return hinted{
			fmt.Errorf("listen on unix:%s: a file that is no socket is there", path),
			"remove it, or choose another path",
		}
	}
	dialer := net.Dialer{Timeout: answerTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return hinted{
			fmt.Errorf("address unix:%s is already in use", path),
			"stop the other program or choose another path",
		}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("ask who listens on unix:%s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove unix:%s, on which nobody listens any more: %w", path, err)
	}
	return nil
}

// takeOver hands out a socket that systemd opened, each only once.
func (b *binder) takeOver(name string) (net.Listener, error) {
	if !b.asked {
		sockets, err := b.inherited()
		if err != nil {
			return nil, fmt.Errorf("take over the sockets of systemd: %w", err)
		}
		b.asked, b.sockets = true, sockets
	}
	if len(b.sockets[name]) == 0 {
		return nil, hinted{
			fmt.Errorf("systemd handed over no socket named %s", name),
			"start sreg by its .socket unit, which needs FileDescriptorName=" + name,
		}
	}
	l := b.sockets[name][0]
	b.sockets[name] = b.sockets[name][1:]
	return l, nil
}

// hinted is an error for people, with what they can do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Hint() string { return e.hint }

func (e hinted) Unwrap() error { return e.error }
