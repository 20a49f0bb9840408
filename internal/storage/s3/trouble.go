package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// explainedError says what to change in place of what the service or the network said.
type explainedError struct {
	message string
	cause   error
}

func (e *explainedError) Error() string { return e.message }

// Unwrap gives what the service or the network said.
func (e *explainedError) Unwrap() error { return e.cause }

// words say what went wrong in the words of the config.
type words struct {
	section     string // storage.blobs.s3
	config      Config
	credentials *telling
	now         func() time.Time
}

// trouble makes one about a key of the section.
func (w *words) trouble(key string, cause error, format string, args ...any) *setting.Error {
	if key != "" && w.section != "" {
		key = w.section + "." + key
	}
	return &setting.Error{Key: key, Err: &explainedError{fmt.Sprintf(format, args...), cause}}
}

// bucket is where objects lie, as people write it.
func (w *words) place() string { return w.config.Bucket + "/" + w.config.keyPrefix() }

// service is whom requests go to.
func (w *words) service() string {
	if w.config.Endpoint == "" {
		return "AWS in " + w.config.Region
	}
	return w.config.Endpoint
}

// explain gives the error of an operation words, where somebody can do something about it, and says
// where it is an outage when to come again.
func (w *words) explain(operation string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	said := w.diagnose(operation, err)
	if said == nil {
		said = err
	}
	var unfit *credentialsError
	if isOutage(err) || errors.As(err, &unfit) {
		return &storage.UnavailableError{RetryAfter: retryAfter(err), Cause: said}
	}
	return said
}

// diagnose finds the words, nil if there are none.
func (w *words) diagnose(operation string, err error) error {
	var unfit *credentialsError
	var strange *strangeAnswerError
	switch {
	case errors.As(err, &unfit):
		return w.trouble("access_key_id", err, "there are no credentials: set access_key_id and secret_access_key, or give AWS's "+
			"environment variables, shared files, web identity or instance profile: %v", unfit.error)
	case errors.As(err, &strange):
		return w.strange(strange, err)
	}
	if said := w.refused(operation, err); said != nil {
		return said
	}
	return w.unreachable(err)
}

// refused is for what a service says in a code.
func (w *words) refused(operation string, err error) error {
	header := answerOf(err)
	switch codeOf(err) {
	case "NoSuchBucket":
		return w.trouble("bucket", err, "%s has no bucket %q: make it, or name another one", w.service(), w.config.Bucket)
	case "InvalidBucketName":
		return w.trouble("bucket", err, "%q is no name that a bucket may have", w.config.Bucket)
	case "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound":
		return w.trouble("access_key_id", err, "%s does not know the id of the access key%s", w.service(), w.credentials.from())
	case "SignatureDoesNotMatch":
		if said := w.skewed(header, err); said != nil {
			return said
		}
		return w.trouble("secret_access_key", err, "it is not the secret of the access key%s", w.credentials.from())
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired":
		return w.trouble("access_key_id", err, "the credentials%s have expired: renew them", w.credentials.from())
	case "RequestTimeTooSkewed", "RequestExpired":
		if said := w.skewed(header, err); said != nil {
			return said
		}
		return w.trouble("", err, "the clock of this computer and that of %s are too far apart: set it right", w.service())
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "TemporaryRedirect", "AuthorizationQueryParametersError":
		return w.elsewhere(header, err)
	case "AllAccessDisabled", "AccountProblem", "InvalidObjectState", "NotSignedUp":
		return w.trouble("bucket", err, "%s has closed it: %v", w.service(), codeOf(err))
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

// rights are the actions of a policy for S3 that an operation needs.
var rights = map[string]string{
	"GetObject": "s3:GetObject", "HeadObject": "s3:GetObject",
	"PutObject": "s3:PutObject", "CopyObject": "s3:PutObject",
	"CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject",
	"AbortMultipartUpload": "s3:AbortMultipartUpload", "ListParts": "s3:ListMultipartUploadParts",
	"ListMultipartUploads": "s3:ListBucketMultipartUploads",
	"DeleteObject":         "s3:DeleteObject", "DeleteObjects": "s3:DeleteObject",
	"ListObjectsV2": "s3:ListBucket", "HeadBucket": "s3:ListBucket",
	"GetBucketVersioning": "s3:GetBucketVersioning",
}

func (w *words) denied(operation string, err error) error {
	right, ok := rights[operation]
	if !ok {
		right = "s3:" + operation
	}
	where := w.place()
	switch operation {
	case "ListObjectsV2", "HeadBucket", "ListMultipartUploads", "GetBucketVersioning":
		where = w.config.Bucket
	}
	also := ""
	if right == "s3:GetObject" {
		also = "; without s3:ListBucket the service says so of what is not there, too"
	}
	return w.trouble("access_key_id", err, "the access key%s may not do %s on %s: permit it%s", w.credentials.from(), right, where, also)
}

// tolerated is how far two clocks may be apart in what S3 takes.
const tolerated = 5 * time.Minute

// skewed tells by how much the clock is wrong, nil if it is not.
func (w *words) skewed(header http.Header, err error) error {
	ahead, ok := w.ahead(header)
	if !ok || ahead.Abs() < tolerated {
		return nil
	}
	return w.trouble("", err, "the clock of this computer is %s: set it right", Skew(ahead, w.service()))
}

// ahead is how far the clock of this computer is before that of the service.
func (w *words) ahead(header http.Header) (time.Duration, bool) {
	theirs, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return w.now().Sub(theirs), true
}

// Skew says how two clocks differ: 2h0m0s ahead of that of the service.
func Skew(ahead time.Duration, service string) string {
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("%s %s that of %s", ahead.Abs().Round(time.Second), direction, service)
}

// expecting finds the right region in what services say of a wrong one.
var expecting = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

func (w *words) elsewhere(header http.Header, err error) error {
	region := header.Get("X-Amz-Bucket-Region")
	if found := expecting.FindStringSubmatch(messageOf(err)); region == "" && found != nil {
		region = found[1]
	}
	switch {
	case region != "" && region != w.config.Region:
		return w.trouble("region", err, "the bucket %s is in the region %s, not in %s", w.config.Bucket, region, w.config.Region)
	case codeOf(err) == "AuthorizationHeaderMalformed":
		return w.trouble("region", err, "%s takes no signature for the region %s: %s", w.service(), w.config.Region, messageOf(err))
	case header.Get("Location") != "":
		return w.trouble("endpoint", err, "%s sends requests elsewhere, to %.200q, and redirects are not followed: name the address of the service itself",
			w.service(), withoutQuery(header.Get("Location")))
	}
	return w.trouble("endpoint", err, "%s sends requests elsewhere, and redirects are not followed: name the address and region of the bucket", w.service())
}

// withoutQuery cuts off what may hold a signature.
func withoutQuery(location string) string {
	before, _, _ := strings.Cut(location, "?")
	return before
}

// unreachable is for connections that do not come about.
func (w *words) unreachable(err error) error {
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
		return w.trouble("ca_file", err, "the certificate of %s is signed by nobody known: name the file of its CA (%v)", w.service(), unknown)
	case errors.As(err, &otherName):
		return w.trouble("endpoint", err, "the certificate of %s is for another name: %v", w.service(), otherName)
	case errors.As(err, &invalid):
		return w.trouble("endpoint", err, "the certificate of %s is no good: %v", w.service(), invalid)
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return w.trouble("endpoint", err, "%s speaks no TLS: want http://, or the port that does", w.service())
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`):
		return w.trouble("endpoint", err, "%s speaks TLS: want https://", w.service())
	case errors.As(err, &alert):
		return w.trouble("endpoint", err, "%s refuses TLS: %v", w.service(), alert)
	case errors.As(err, &noHost) && strings.HasPrefix(noHost.Name, w.config.Bucket+".") && !w.config.PathStyle:
		return w.trouble("path_style", err, "there is no host %s: want true, unless the service has a host for each bucket", noHost.Name)
	case errors.As(err, &noHost):
		return w.trouble("endpoint", err, "the host %s is not found: %s", noHost.Name, noHost.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return w.trouble("endpoint", err, "nobody listens at %s", w.service())
	}
	return nil
}

// versioned is what is said of a bucket that keeps versions: what sreg removes would stay, and cost.
func (w *words) versioned(status string) error {
	return w.trouble("bucket", nil, "%s has versioning %s: what is removed would stay as a version and be paid for; "+
		"suspend it, or name a bucket without", w.config.Bucket, strings.ToLower(status))
}

// foreign is what is said of a place in which something else lies.
func (w *words) foreign(key string) error {
	return w.trouble("prefix", nil, "%s holds what sreg has not written, such as %s: name an empty prefix, or another bucket", w.place(), key)
}

// strangeAnswerError is what no service that speaks S3 says.
type strangeAnswerError struct {
	status int
	kind   string
	begins string
}

func (s *strangeAnswerError) Error() string {
	return fmt.Sprintf("the answer, of status %d, is %s and not S3's", s.status, s.kind)
}

// RetryableError tells the SDK that another attempt would not help.
func (s *strangeAnswerError) RetryableError() bool { return false }

// spokenPlainly is what Go's servers say to who speaks HTTP where TLS is wanted, and close the connection,
// so that it need not arrive.
const spokenPlainly = "HTTP request to an HTTPS server"

// notS3 tells whether an answer is a web page, or JSON, or a text: a proxy's, or another service's. In an
// outage the proxy before a service says so in such a page, and that is for 5xx.
func notS3(req *http.Request, resp *http.Response) error {
	if resp.StatusCode >= http.StatusInternalServerError {
		return nil
	}
	if resp.StatusCode == http.StatusBadRequest && !resp.ProtoAtLeast(1, 1) && len(resp.Header) == 0 {
		return &strangeAnswerError{status: resp.StatusCode, begins: spokenPlainly} // by Go's own servers
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // what cannot be read is no kind
	failed := resp.StatusCode >= http.StatusBadRequest
	strange := kind == "text/html" || failed && (kind == "application/json" || kind == "text/plain")
	if !strange || (!failed && req.URL.Query().Has("response-content-type")) {
		return nil
	}
	begins, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // what cannot be read says nothing
	return &strangeAnswerError{status: resp.StatusCode, kind: kind, begins: string(begins)}
}

func (w *words) strange(answer *strangeAnswerError, err error) error {
	if answer.status == http.StatusBadRequest && (strings.Contains(answer.begins, spokenPlainly) || strings.Contains(answer.begins, "plain HTTP request was sent to HTTPS port")) {
		return w.trouble("endpoint", err, "%s speaks TLS: want https://", w.service())
	}
	return w.trouble("endpoint", err, "%s answers, but with %s and not as S3 does (status %d): name the address of the service itself, not of its console or of a proxy",
		w.service(), answer.kind, answer.status)
}

// isOutage tells whether a request failed because the service, or the way to it, is out of order.
func isOutage(err error) bool {
	var (
		strange   *strangeAnswerError
		unfit     *credentialsError
		unsent    *smithyhttp.RequestSendError
		impatient *outbound.TimeoutError
		short     *cutError
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &strange), errors.As(err, &unfit):
		return false
	case errors.As(err, &impatient), errors.As(err, &short), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	switch codeOf(err) {
	case "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout": // also below a status of 200
		return true
	}
	switch status(err) {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0:
		return errors.As(err, &unsent)
	}
	return false
}

// retryAfter is when the service wants to be asked again, by its own word or soon.
func retryAfter(err error) time.Duration {
	const longest = time.Minute // what a service says is not believed blindly
	seconds, parsed := time.ParseDuration(answerOf(err).Get("Retry-After") + "s")
	if parsed != nil {
		return retrySoon
	}
	return min(max(seconds, retrySoon), longest)
}

func codeOf(err error) string {
	var said smithy.APIError
	if errors.As(err, &said) {
		return said.ErrorCode()
	}
	return ""
}

func messageOf(err error) string {
	var said smithy.APIError
	if errors.As(err, &said) {
		return said.ErrorMessage()
	}
	return ""
}

// answerOf is the header of the answer, empty without one.
func answerOf(err error) http.Header {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil && answer.Response.Response != nil {
		return answer.Response.Header
	}
	return http.Header{}
}
