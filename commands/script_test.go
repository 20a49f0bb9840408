package commands_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sreg-project/sreg/commands"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sreg": func() { os.Exit(commands.Main(context.Background(), commands.System(), os.Args[1:])) },
	})
}

// TestScripts runs the terminal sessions of testdata/script. Beyond what every testscript knows they
// have
//
//	exits CODE COMMAND...   run a command that must end with that code
//	certificate NAME AGE LEFT HOST...
//	                        write NAME.crt, valid since AGE days ago for LEFT days from now, and NAME.key
//	taken NAME              take a free port and put its address in $NAME
//	await SOCKET            wait until somebody answers on a unix socket
//	pushed REF BY WORD      push an image with a layer of that word to ./data, and put its digest in $WORD
//	play FILE               make a store in ./data by a script, see gctest.World.Play. It begins 100 days ago,
//	                        as its records say; the files are new. Each NAME in it is a digest in $NAME
//	deleted REF BY          delete a tag or a manifest from ./data, as a client does
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"taken": taken,
			"await": await,

			"certificate": certificate,

			"play":    play,
			"pushed":  pushed,
			"deleted": deleted,
		},
		UpdateScripts: *update,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

func certificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: certificate NAME AGE LEFT HOST...")
	}
	const day = 24 * time.Hour
	age, err := strconv.Atoi(args[1])
	ts.Check(err)
	left, err := strconv.Atoi(args[2])
	ts.Check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: args[3:],
		NotBefore: time.Now().Add(-time.Duration(age) * day), NotAfter: time.Now().Add(time.Duration(left)*day + time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+name), pem.EncodeToMemory(block), 0o600))
	}
}

func taken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await SOCKET")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	giveUp := time.After(30 * time.Second)
	for {
		conn, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-giveUp:
			ts.Fatalf("nobody listens: %v", err)
		}
	}
}
