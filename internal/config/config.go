// Package config is for sreg's configuration: it composes the sections that
// other packages own, and loads them from files, environment and flags.
// It promises that a Config it returns is whole and safe, that all mistakes are
// shown at once with file and line, and that no key is ever ignored.
// It must not know how any part is built or run from its section.
package config

import (
	"time"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/retention"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/telemetry"
	"github.com/sreg-project/sreg/internal/webhook"
)

// Config is the whole configuration of sreg. It is never changed, only replaced.
type Config struct {
	Server       server.Config        `mapstructure:"server" doc:"What is listened on, and how."`
	Storage      Storage              `mapstructure:"storage" doc:"Where everything is kept."`
	Locks        lock.Config          `mapstructure:"locks" doc:"How instances keep out of each other's way."`
	Cache        cache.Config         `mapstructure:"cache" doc:"Where what every request may need again is kept: answers of webhooks, sign-in keys, and who is throttled."`
	Redis        redisclient.Config   `mapstructure:"redis" needs:"locks.type=redis,cache.type=redis" doc:"The Redis of locks.type and cache.type redis."`
	Registry     registry.Config      `mapstructure:"registry" doc:"What may be pushed, and what is noted of pulls."`
	Repositories []Repository         `mapstructure:"repositories" doc:"Prefixes of namespaces with settings of their own; the longest that fits counts."`
	Auth         authn.Config         `mapstructure:"auth" doc:"Who is known, and how they show who they are."`
	Policy       *policy.GlobalConfig `mapstructure:"policy" filled:"true" doc:"Who may do what. Without it everything is allowed, and every listener must be on loopback or a unix socket."`
	Retention    retention.Config     `mapstructure:"retention" doc:"Which images stay; docs/retention.md says how. What no rule keeps is removed by the collector."`
	Webhooks     []webhook.Config     `mapstructure:"webhooks" doc:"Endpoints that policies may ask by name; docs/webhooks.md says how."`
	GC           gc.Config            `mapstructure:"gc" doc:"How what nothing needs is collected; docs/lifecycle.md says how."`
	Log          telemetry.LogConfig  `mapstructure:"log" doc:"What is logged, and how."`
}

// Storage is where everything is kept: one store, or one for blobs and one for
// metadata.
type Storage struct {
	Blobs            Store         `mapstructure:"blobs" doc:"The store of blobs, and of metadata if storage.metadata is absent."`
	Metadata         *Store        `mapstructure:"metadata" doc:"The store of manifests, tags and links. Absent or {} = the store of blobs."`
	MetadataCacheTTL time.Duration `mapstructure:"metadata_cache_ttl" needs:"storage.blobs.type=s3,storage.metadata.type=s3" doc:"How long a pull may be answered again with a manifest, a tag or the link of a blob that was read from S3, without a look; what another instance changed may show this much later. 0 = never."`
	MinFree          bytesize.Size `mapstructure:"min_free" needs:"storage.blobs.type=fs,storage.metadata.type=fs" doc:"Writes are answered 507 when less than this is free on the disk; 0 = never."`
}

// Store is one store: its type, and the section of that type.
type Store struct {
	Type string    `mapstructure:"type" config:"restart" enum:"fs,s3" doc:"fs keeps everything in a folder, s3 in a bucket of a service that speaks S3."`
	FS   fs.Config `mapstructure:"fs" doc:"The settings of type fs."`
	S3   s3.Config `mapstructure:"s3" doc:"The settings of type s3; docs/s3.md says which service wants what."`
}

// Repository is one configured prefix, with what each part has to say about it.
type Repository struct {
	registry.RepositoryConfig `mapstructure:",squash"`

	Policy    *policy.Config   `mapstructure:"policy" filled:"true" doc:"Who may do what in this repository; a request must pass the global policy, too."`
	Retention retention.Config `mapstructure:"retention" doc:"Which images of this repository stay, beside those that the global rules keep."`
}

// Default is the configuration without any file, variable or flag: everything is
// allowed, for this computer alone.
func Default() Config {
	return Config{
		Server: server.DefaultConfig(),
		Storage: Storage{
			Blobs:            Store{Type: "fs", FS: fs.DefaultConfig(), S3: s3.DefaultConfig()},
			MetadataCacheTTL: 10 * time.Second,
			MinFree:          bytesize.GiB,
		},
		Locks:    lock.DefaultConfig(),
		Cache:    cache.DefaultConfig(),
		Redis:    redisclient.DefaultConfig(),
		Registry: registry.DefaultConfig(),
		Auth:     authn.DefaultConfig(),
		GC:       gc.DefaultConfig(),
		Log:      telemetry.DefaultLogConfig(),
	}
}

// sample is Default with one of everything that Default leaves out: from it
// come the defaults of optional sections and of the items of lists.
func sample() Config {
	c := Default()
	c.Storage.Metadata = &Store{Type: "fs", FS: fs.Config{Sync: true}, S3: s3.DefaultConfig()}
	c.Server.Listeners = []server.Listener{{}}
	c.Server.TLS.Certificates = []server.Certificate{{}}
	standard, redirect, logged := policy.DefaultConfig(), true, false
	c.Log.Access.Enabled = &logged
	c.Policy = &policy.GlobalConfig{Config: standard}
	c.Repositories = []Repository{{RepositoryConfig: registry.RepositoryConfig{ImmutableTags: &registry.ImmutableTags{}, Redirect: &redirect}, Policy: &standard}}
	c.Webhooks = []webhook.Config{webhook.DefaultConfig()}
	c.Auth.Users = []authn.UserConfig{{}}
	c.Auth.OIDC = []authn.ProviderConfig{authn.DefaultProvider()}
	return c
}
