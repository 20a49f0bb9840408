package redisclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/sreg-project/sreg/internal/setting"
)

const notPermitted = "Redis's ACL does not let the user do what sreg needs; docs/redis.md has the rules"

// answers are how errors of Redis begin, and what each means. The first one that fits decides.
var answers = []struct{ begin, key, advice string }{
	{"WRONGPASS", "redis.password", "Redis takes neither this user nor this password; redis.username is the user of its ACL"},
	{"NOAUTH", "redis.password", "Redis wants a password"},
	{"ERR AUTH <password> called without any password", "redis.password", "Redis knows no password for the default user: leave it out, or set redis.username"},
	{"ERR invalid password", "redis.password", "Redis takes another one"},
	{"NOPERM", "redis.username", notPermitted},
	{"ERR DB index is out of range", "redis.url", "Redis has fewer databases than that; the number behind the / is one of them"},
	{"ERR invalid DB index", "redis.url", "the number behind the / is a database"},
	{"ERR SELECT is not allowed in cluster mode", "redis.url", "this is a Cluster: name several of its hosts, and no database"},
	{"MOVED", "redis.url", "this is a part of a Cluster: name several of its hosts, with commas between them"},
	{"ERR This instance has cluster support disabled", "redis.url", "several hosts are a Cluster, and this is none: name one host, or add ?master_name=NAME if these are Sentinels"},
	{"CLUSTERDOWN", "redis.url", "the Cluster is not whole"},
	{"CROSSSLOT", "redis.url", "this is a Cluster: name several of its hosts"},
	{"READONLY", "redis.url", "this is a replica, which takes no writes: name the one that does, or Sentinels"},
	{"DENIED", "redis.password", "Redis is in protected mode and takes nobody from elsewhere without one"},
	{"ERR unknown command", "redis.url", "this server lacks a command; if it is a Sentinel, add ?master_name=NAME"},
	{"IDONTKNOW", "redis.url", "the Sentinels do not know this master_name"},
	{"redis: all sentinels specified in configuration are unreachable", "redis.url", "no Sentinel answers with where the master is; master_name must be one that they know"},
}

// explain finds the key that an error is about. What it does not know stays as it is, and nil stays nil.
func (c Config) explain(err error) error {
	if err == nil || errors.As(err, new(*setting.Error)) || errors.Is(err, context.Canceled) {
		return err
	}
	text := err.Error()
	// Redis 7.0 says the one, later ones the other; both begin with ERR.
	if strings.Contains(text, "The user executing the script can't") || strings.Contains(text, "ACL failure in script") {
		return setting.Errorf("redis.username", "%s: %w", notPermitted, err)
	}
	if strings.HasPrefix(text, "NOPERM") && strings.Contains(text, "key") && !strings.Contains(text, "command") {
		return setting.Errorf("redis.key_prefix", "Redis's ACL does not let the user touch keys that begin with %q; docs/redis.md has the rules: %w", c.KeyPrefix, err)
	}
	for _, one := range answers {
		if strings.HasPrefix(text, one.begin) {
			return setting.Errorf(one.key, "%s: %w", one.advice, err)
		}
	}
	if key, advice := c.connection(err); key != "" {
		return setting.Errorf(key, "%s: %w", advice, err)
	}
	var answer redis.Error
	if errors.As(err, &answer) {
		return fmt.Errorf("redis answered: %w", err)
	}
	return err
}

// connection finds the key of an error that is not an answer of Redis.
func (c Config) connection(err error) (key, advice string) {
	var (
		unknown *x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		dns     *net.DNSError
		network net.Error
	)
	plain := strings.HasPrefix(c.URL, "redis://")
	switch {
	case errors.As(err, &unknown), errors.As(err, new(x509.UnknownAuthorityError)):
		return "redis.ca_file", "Redis shows a certificate that these CAs did not sign"
	case errors.As(err, &host):
		return "redis.url", "Redis shows a certificate of another name than the URL's"
	case errors.As(err, &invalid):
		return "redis.url", "Redis shows a certificate that does not hold"
	case errors.As(err, &record):
		return "redis.url", "Redis speaks no TLS on this port: want redis://, or its TLS port"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls: "):
		return "redis.cert_file", "Redis does not take the certificate that it is shown, or wants one"
	case errors.As(err, &dns):
		return "redis.url", "the host is not known"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "redis.url", "nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		if !plain {
			return "redis.url", "Redis does not answer in time; does it speak TLS on this port?"
		}
		return "redis.url", "Redis does not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), strings.Contains(err.Error(), "can't parse"), strings.Contains(err.Error(), "invalid reply"):
		if plain {
			return "redis.url", "what listens there is no Redis, or wants TLS: try rediss://"
		}
		return "redis.url", "the connection was ended: is this the TLS port of Redis?"
	}
	return "", ""
}
