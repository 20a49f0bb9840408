package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
)

// SignatureHeader is the field of the HTTP request that has the signature.
const SignatureHeader = "Sreg-Signature"

// Sign makes the value of SignatureHeader for a body that is sent now: t=SECONDS,v1=HEX. HEX is the HMAC-SHA256 of the
// seconds since 1970, a dot and the body. The time is signed, too, so that a receiver can refuse an old message that
// somebody sends again. Without a key there is no signature: the value is empty.
func Sign(key secret.Value, now time.Time, body []byte) string {
	if key.Reveal() == "" {
		return ""
	}
	seconds := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
