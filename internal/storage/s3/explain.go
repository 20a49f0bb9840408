package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// explainedError says what to change in place of what the service or the network said.
type explainedError struct {
	message string
	cause   error
}

func (e *explainedError) Error() string { return e.message }

func (e *explainedError) Unwrap() error { return e.cause }

// explainer says what went wrong by the keys of the config.
type explainer struct {
	section     string // storage.blobs.s3
	config      Config
	credentials *sourcedCredentials
	now         func() time.Time
}

// keyError says what is wrong with a key of the section.
func (w *explainer) keyError(key string, cause error, format string, args ...any) *setting.Error {
	if key != "" && w.section != "" {
		key = w.section + "." + key
	}
	return &setting.Error{Key: key, Err: &explainedError{fmt.Sprintf(format, args...), cause}}
}

// where is the bucket with the prefix, as people write it.
func (w *explainer) where() string { return w.config.Bucket + "/" + w.config.keyPrefix() }

// service is whom requests go to.
func (w *explainer) service() string {
	if w.config.Endpoint == "" {
		return "AWS in " + w.config.Region
	}
	return w.config.Endpoint
}

// explain says of the error of an operation what can be done about it, if there is something, and of an
// outage when to come again.
func (w *explainer) explain(operation string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	said := w.diagnose(operation, err)
	if said == nil {
		said = err
	}
	var noCredentials *credentialsError
	if isOutage(err) || errors.As(err, &noCredentials) {
		return &storage.UnavailableError{RetryAfter: retryAfter(err), Cause: said}
	}
	return said
}

// diagnose says what can be done about an error, nil if it does not know.
func (w *explainer) diagnose(operation string, err error) error {
	var noCredentials *credentialsError
	var strange *strangeAnswerError
	switch {
	case errors.As(err, &noCredentials):
		return w.keyError("access_key_id", err, "there are no credentials: set access_key_id and secret_access_key, or give AWS's "+
			"environment variables, shared files, web identity or instance profile: %v", noCredentials.error)
	case errors.As(err, &strange):
		return w.strange(strange, err)
	}
	if said := w.refused(operation, err); said != nil {
		return said
	}
	return w.unreachable(err)
}

// refused is for what a service says in a code.
func (w *explainer) refused(operation string, err error) error {
	header := answerOf(err)
	switch codeOf(err) {
	case "NoSuchBucket":
		return w.keyError("bucket", err, "%s has no bucket %q: make it, or name another one", w.service(), w.config.Bucket)
	case "InvalidBucketName":
		return w.keyError("bucket", err, "%q is no name that a bucket may have", w.config.Bucket)
	case "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound":
		return w.keyError("access_key_id", err, "%s does not know the id of the access key%s", w.service(), w.credentials.origin())
	case "SignatureDoesNotMatch":
		if said := w.skewed(header, err); said != nil {
			return said
		}
		return w.keyError("secret_access_key", err, "it is not the secret of the access key%s", w.credentials.origin())
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired":
		return w.keyError("access_key_id", err, "the credentials%s have expired: renew them", w.credentials.origin())
	case "RequestTimeTooSkewed", "RequestExpired":
		if said := w.skewed(header, err); said != nil {
			return said
		}
		return w.keyError("", err, "the clock of this computer and that of %s are too far apart: set it right", w.service())
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "TemporaryRedirect", "AuthorizationQueryParametersError":
		return w.elsewhere(header, err)
	case "AllAccessDisabled", "AccountProblem", "InvalidObjectState", "NotSignedUp":
		return w.keyError("bucket", err, "%s has closed it: %v", w.service(), codeOf(err))
	case "AccessDenied", "Forbidden", "UnauthorizedAccess":
		return w.denied(operation, err)
	case "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage":
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	}
	switch status(err) {
	case http.StatusForbidden:
		return w.denied(operation, err)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return w.elsewhere(header, err)
	case http.StatusInsufficientStorage:
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	}
	return nil
}

// rights are the actions of a policy for S3 that an operation needs, where they have another name.
var rights = map[string]string{
	"GetObject": "s3:GetObject", "HeadObject": "s3:GetObject",
	"PutObject": "s3:PutObject", "UploadPartCopy": "s3:PutObject",
	"CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject",
	"ListMultipartUploads": "s3:ListBucketMultipartUploads", "ListObjectsV2": "s3:ListBucket",
}

func (w *explainer) denied(operation string, err error) error {
	right, ok := rights[operation]
	if !ok {
		right = "s3:" + operation
	}
	where := w.where()
	switch operation {
	case "ListObjectsV2", "ListMultipartUploads", "GetBucketVersioning":
		where = w.config.Bucket
	}
	also := ""
	if right == "s3:GetObject" {
		also = "; without s3:ListBucket the service says so of what is not there, too"
	}
	return w.keyError("access_key_id", err, "the access key%s may not do %s on %s: permit it%s", w.credentials.origin(), right, where, also)
}

// tolerated is how far two clocks may be apart in what S3 takes.
const tolerated = 5 * time.Minute

// skewed tells by how much the clock is wrong, nil if it is not.
func (w *explainer) skewed(header http.Header, err error) error {
	ahead, ok := w.ahead(header)
	if !ok || ahead.Abs() < tolerated {
		return nil
	}
	return w.keyError("", err, "the clock of this computer is %s: set it right", skew(ahead, w.service()))
}

// ahead is how far the clock of this computer is before that of the service.
func (w *explainer) ahead(header http.Header) (time.Duration, bool) {
	theirs, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return w.now().Sub(theirs), true
}

// skew says how two clocks differ: 2h0m0s ahead of that of the service.
func skew(ahead time.Duration, service string) string {
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("%s %s that of %s", ahead.Abs().Round(time.Second), direction, service)
}

// expecting finds the right region in what services say of a wrong one.
var expecting = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

func (w *explainer) elsewhere(header http.Header, err error) error {
	region := header.Get("X-Amz-Bucket-Region")
	location, _, _ := strings.Cut(header.Get("Location"), "?") // the query may hold a signature
	if found := expecting.FindStringSubmatch(messageOf(err)); region == "" && found != nil {
		region = found[1]
	}
	switch {
	case region != "" && region != w.config.Region:
		return w.keyError("region", err, "the bucket %s is in the region %s, not in %s", w.config.Bucket, region, w.config.Region)
	case codeOf(err) == "AuthorizationHeaderMalformed":
		return w.keyError("region", err, "%s takes no signature for the region %s: %s", w.service(), w.config.Region, messageOf(err))
	case location != "":
		return w.keyError("endpoint", err, "%s sends requests elsewhere, to %.200q, and redirects are not followed: name the address of the service itself",
			w.service(), location)
	}
	return w.keyError("endpoint", err, "%s sends requests elsewhere, and redirects are not followed: name the address and region of the bucket", w.service())
}

// unreachable is for connections that do not come about.
func (w *explainer) unreachable(err error) error {
	var (
		unknown   x509.UnknownAuthorityError
		otherName x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		noHost    *net.DNSError
	)
	switch {
	case errors.As(err, &unknown):
		return w.keyError("ca_file", err, "the certificate of %s is signed by nobody known: name the file of its CA (%v)", w.service(), unknown)
	case errors.As(err, &otherName):
		return w.keyError("endpoint", err, "the certificate of %s is for another name: %v", w.service(), otherName)
	case errors.As(err, &invalid):
		return w.keyError("endpoint", err, "the certificate of %s is no good: %v", w.service(), invalid)
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return w.keyError("endpoint", err, "%s speaks no TLS: want http://, or the port that does", w.service())
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`):
		return w.keyError("endpoint", err, "%s speaks TLS: want https://", w.service())
	case errors.As(err, &alert):
		return w.keyError("endpoint", err, "%s refuses TLS: %v", w.service(), alert)
	case errors.As(err, &noHost) && strings.HasPrefix(noHost.Name, w.config.Bucket+".") && !w.config.PathStyle:
		return w.keyError("path_style", err, "there is no host %s: want true, unless the service has a host for each bucket", noHost.Name)
	case errors.As(err, &noHost):
		return w.keyError("endpoint", err, "the host %s is not found: %s", noHost.Name, noHost.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return w.keyError("endpoint", err, "nobody listens at %s", w.service())
	}
	return nil
}

func (w *explainer) strange(answer *strangeAnswerError, err error) error {
	if answer.status == http.StatusBadRequest && (strings.Contains(answer.begins, plainHTTP) || strings.Contains(answer.begins, "plain HTTP request was sent to HTTPS port")) {
		return w.keyError("endpoint", err, "%s speaks TLS: want https://", w.service())
	}
	return w.keyError("endpoint", err, "%s answers, but with %s and not as S3 does (status %d): name the address of the service itself, not of its console or of a proxy",
		w.service(), answer.kind, answer.status)
}
