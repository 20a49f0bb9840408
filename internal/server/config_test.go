package server_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/server"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text    string
		network string
		name    string
		private bool
	}{
		{"127.0.0.1:5000", "tcp", "127.0.0.1:5000", true},
		{"127.1.2.3:5000", "tcp", "127.1.2.3:5000", true},
		{"[::1]:0", "tcp", "[::1]:0", true},
		{"localhost:5000", "tcp", "localhost:5000", true},
		{"[::ffff:127.0.0.1]:1", "tcp", "[::ffff:127.0.0.1]:1", true},
		{"unix:/run/sreg.sock", "unix", "/run/sreg.sock", true},
		{"0.0.0.0:5000", "tcp", "0.0.0.0:5000", false},
		{"[::]:5000", "tcp", "[::]:5000", false},
		{":5000", "tcp", ":5000", false},
		{"10.0.0.1:5000", "tcp", "10.0.0.1:5000", false},
		{"localhost.example.com:5000", "tcp", "localhost.example.com:5000", false},
		{"LOCALHOST:5000", "tcp", "LOCALHOST:5000", false},
		{"systemd:sreg", "systemd", "sreg", false},
	}
	for _, tc := range cases {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			got, err := server.ParseAddress(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if want := (server.Address{Network: tc.network, Name: tc.name}); got != want || got.Private() != tc.private {
				t.Errorf("got %+v, private %t, want %+v, private %t", got, got.Private(), want, tc.private)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", ":", "5000", "localhost", "localhost:", "localhost:http", "localhost:-1", "localhost:65536",
		"::1:5000", "http://localhost:5000", "tcp:1.2.3.4:5", "unix:", "unix:relative", "unix:@abstract",
		"systemd:", "systemd:a:b",
	} {
		if got, err := server.ParseAddress(text); err == nil {
			t.Errorf("%q is read as %+v, want an error", text, got)
		}
	}
}
