package s3

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/secret"
)

// What S3 lets a part be.
const (
	minPart = 5 * bytesize.MiB
	maxPart = 5 * bytesize.GiB
)

// Config is the s3 section of a store in sreg's configuration. The struct tags
// are the single source of the keys' names and documentation.
type Config struct {
	Endpoint        string        `mapstructure:"endpoint" config:"restart" doc:"The address of the service, such as https://minio.example.com:9000; empty = AWS's for the region."`
	Bucket          string        `mapstructure:"bucket" config:"restart" doc:"The bucket. It must exist, and have no versions of its objects."`
	Region          string        `mapstructure:"region" doc:"The region of the bucket."`
	Prefix          string        `mapstructure:"prefix" config:"restart" doc:"What all keys begin with, such as sreg/ for a bucket that others use, too."`
	PathStyle       bool          `mapstructure:"path_style" doc:"Whether the bucket is named in the path and not in the host: minio, Ceph and other services of one host want it."`
	AccessKeyID     string        `mapstructure:"access_key_id" doc:"The id of the access key; empty = what the environment, shared files, web identity or the instance's profile give, in AWS's order."`
	SecretAccessKey secret.Value  `mapstructure:"secret_access_key" doc:"The secret of access_key_id."`
	CAFile          string        `mapstructure:"ca_file" config:"file" doc:"The certificates in PEM that the service's is checked against, in place of the system's."`
	RequestChecksum string        `mapstructure:"request_checksum" enum:"when_supported,when_required" doc:"When checksums are sent beside data; some services know them only when_required."`
	PartSize        bytesize.Size `mapstructure:"part_size" doc:"The size of the parts that blobs are sent in; a smaller blob is one request. The largest blob is 10,000 parts."`
	UploadMemory    bytesize.Size `mapstructure:"upload_memory" doc:"How much memory all uploads together may take; further ones wait for some of it. A single one takes two parts at most."`
	AttemptTimeout  time.Duration `mapstructure:"attempt_timeout" min:"1" doc:"How long one attempt at a request may wait for its answer."`
	Timeout         time.Duration `mapstructure:"timeout" min:"1" doc:"How long a request may take with all attempts."`
	MaxAttempts     int           `mapstructure:"max_attempts" min:"1" max:"20" doc:"How often a request is tried, with growing pauses between."`
	Redirect        bool          `mapstructure:"redirect" doc:"Whether pulls of blobs are sent to the service by a presigned URL; else they stream through sreg."`
	RedirectTTL     time.Duration `mapstructure:"redirect_ttl" needs:".redirect=true,repositories[].redirect=true" doc:"How long such a URL opens its blob; up to a tenth less, because a URL is given again for a tenth of its time."`
	PublicEndpoint  string        `mapstructure:"public_endpoint" needs:".redirect=true,repositories[].redirect=true" doc:"The address of the service as clients reach it, if it is another one than endpoint."`
	Breaker         Breaker       `mapstructure:"breaker" doc:"When a service that fails is given a rest."`
}

// Breaker says when requests are answered 503 without asking the service.
type Breaker struct {
	Failures int           `mapstructure:"failures" min:"0" doc:"After so many failures in a row requests are answered 503 at once; 0 = never."`
	Cooldown time.Duration `mapstructure:"cooldown" min:"1" needs:".failures" doc:"For how long; then one request tries again."`
}

// DefaultConfig sends parts of 16 MiB and redirects pulls.
func DefaultConfig() Config {
	return Config{
		Region:          "us-east-1",
		RequestChecksum: "when_supported",
		PartSize:        16 * bytesize.MiB,
		UploadMemory:    512 * bytesize.MiB,
		AttemptTimeout:  time.Minute,
		Timeout:         15 * time.Minute,
		MaxAttempts:     5,
		Redirect:        true,
		RedirectTTL:     30 * time.Minute,
		Breaker:         Breaker{Failures: 5, Cooldown: 10 * time.Second},
	}
}

// SameKeys tells whether two configs name one prefix of one bucket.
func (c Config) SameKeys(other Config) bool {
	return c.Endpoint == other.Endpoint && c.Bucket == other.Bucket && c.keyPrefix() == other.keyPrefix()
}

// keyPrefix is the prefix as keys begin with it: empty, or with a slash at its end.
func (c Config) keyPrefix() string {
	if trimmed := strings.Trim(c.Prefix, "/"); trimmed != "" {
		return trimmed + "/"
	}
	return ""
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.Bucket == "" {
		report("bucket", "missing, want the name of a bucket")
	}
	if c.Region == "" {
		report("region", "want the region of the bucket; a service without regions takes us-east-1")
	}
	validateEndpoint("endpoint", c.Endpoint, report)
	validateEndpoint("public_endpoint", c.PublicEndpoint, report)
	if (c.AccessKeyID == "") != (c.SecretAccessKey.Reveal() == "") {
		report("access_key_id", "want access_key_id and secret_access_key together, or neither")
	}
	if c.PartSize < minPart || c.PartSize > maxPart {
		report("part_size", fmt.Sprintf("want %s to %s, which is what S3 takes, got %s", minPart, maxPart, c.PartSize))
	}
	if c.UploadMemory < 2*c.PartSize {
		report("upload_memory", fmt.Sprintf("want at least two parts of %s, got %s", c.PartSize, c.UploadMemory))
	}
	if c.RedirectTTL < time.Second || c.RedirectTTL > 7*24*time.Hour {
		report("redirect_ttl", fmt.Sprintf("want 1s to 168h, which is what S3 signs, got %s", c.RedirectTTL))
	}
	if c.Timeout < c.AttemptTimeout {
		report("timeout", fmt.Sprintf("want at least attempt_timeout, which is %s, got %s", c.AttemptTimeout, c.Timeout))
	}
}

func validateEndpoint(key, endpoint string, report func(path, problem string)) {
	if endpoint == "" {
		return
	}
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		report(key, fmt.Sprintf("want https://host:port without a path, got %q", endpoint))
	}
}

// Options are what a Store is told beside its config.
type Options struct {
	// Section is the key of the config's section, such as storage.blobs.s3: errors name the keys below it.
	Section string
	Logger  *slog.Logger
	// Breaker is told when requests begin to be answered without asking the service, and when that ends.
	// It must not block.
	Breaker func(open bool)
}
