package redisclient

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

const wantURL = "want redis://host:6379/0 or rediss://host:6379/0"

// parseURL reads where Redis is. Several hosts are a Cluster, and with a master_name they are Sentinels. Errors are
// for people, and show nothing that may be a password.
func parseURL(text string) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || (scheme != "redis" && scheme != "rediss") {
		return nil, errors.New(wantURL)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if strings.Contains(rest[:end], "@") {
		return nil, errors.New("want no user in the URL: set username and password")
	}
	hosts := strings.Split(rest[:end], ",")
	for _, host := range hosts {
		if u, err := url.Parse(scheme + "://" + host); err != nil || u.Hostname() == "" {
			return nil, errors.New(wantURL + ", with commas between several hosts")
		}
	}
	u, err := url.Parse(scheme + "://" + hosts[0] + rest[end:])
	if err != nil || u.Fragment != "" {
		return nil, errors.New(wantURL)
	}
	query := u.Query()
	if query.Has("password") || query.Has("username") {
		return nil, errors.New("want no user in the URL: set username and password")
	}
	for _, host := range hosts[1:] {
		query.Add("addr", host)
	}
	u.RawQuery = query.Encode()
	return optionsOf(u, query)
}

// optionsOf lets go-redis read the URL: single servers, Clusters and Sentinels have parameters of their own.
func optionsOf(u *url.URL, query url.Values) (*redis.UniversalOptions, error) {
	switch {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(u.String())
		if err != nil {
			return nil, problemOf(err)
		}
		return &redis.UniversalOptions{
			Addrs: o.SentinelAddrs, MasterName: o.MasterName, DB: o.DB, Protocol: o.Protocol, TLSConfig: o.TLSConfig,
			DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolSize: o.PoolSize, MaxRetries: o.MaxRetries,
		}, nil
	case query.Has("addr"):
		if !slices.Contains([]string{"", "/", "/0"}, u.Path) {
			return nil, errors.New("want no database: a Cluster has only 0")
		}
		u.Path = ""
		o, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, problemOf(err)
		}
		return &redis.UniversalOptions{
			IsClusterMode: true, Addrs: o.Addrs, Protocol: o.Protocol, TLSConfig: o.TLSConfig,
			DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolSize: o.PoolSize, MaxRetries: o.MaxRetries,
		}, nil
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, problemOf(err)
	}
	return &redis.UniversalOptions{
		Addrs: []string{o.Addr}, DB: o.DB, Protocol: o.Protocol, TLSConfig: o.TLSConfig,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolSize: o.PoolSize, MaxRetries: o.MaxRetries,
	}, nil
}

// problemOf is an error of go-redis's about a URL, which has no user in it by then.
func problemOf(err error) error {
	return errors.New(wantURL + ": " + strings.TrimPrefix(err.Error(), "redis: "))
}
