package access

import "net/netip"

// Identity is who asks: what authentication found, never what it may do. What was not found is the zero
// value. It is shared: nobody changes it.
type Identity struct {
	// ID names the sign-in for good: a user's name, or provider/subject of an OIDC token.
	ID string
	// Username is the name of a user, or what the provider's username_claim holds.
	Username string
	// Groups are those of the user, or what the provider's groups_claim holds.
	Groups []string
	// ClientIP is the address of the client, behind trusted proxies the one that they tell.
	ClientIP netip.Addr
	// Certificate is the verified client certificate. It stands beside any other sign-in.
	Certificate Certificate
	// OIDC is what an accepted OIDC token says, nil without one.
	OIDC *OIDC
}

// Certificate is what a verified client certificate says (RFC 5280).
type Certificate struct {
	CommonNames   []string
	Organizations []string
	DNSNames      []string
	Emails        []string
	URIs          []string
	IPs           []string
	// Serial is the serial number in lower-case hexadecimal, Fingerprint the SHA-256 of the whole
	// certificate likewise.
	Serial      string
	Fingerprint string
}

// OIDC is what a token says that a provider signed.
type OIDC struct {
	// Provider is the name of the provider in the config.
	Provider string
	// Subject is the sub claim.
	Subject string
	// Claims are all claims as they came: strings, float64, bool, []any, map[string]any, nil.
	Claims map[string]any
}

// Anonymous says that nobody has signed in, and no certificate was shown.
func (i Identity) Anonymous() bool {
	return i.ID == "" && i.Username == "" && i.OIDC == nil && i.Certificate.Fingerprint == ""
}

// Client is the address of the client as rules and logs have it: one of IPv4 that came over IPv6 looks like every
// other. It is empty if nobody knows it.
func (i *Identity) Client() string {
	if !i.ClientIP.IsValid() {
		return ""
	}
	return i.ClientIP.Unmap().String()
}

// Name is what records and logs call who asks: the user, the sign-in, or the certificate's first common
// name; empty for anybody.
func (i Identity) Name() string {
	switch {
	case i.Username != "":
		return i.Username
	case i.ID != "":
		return i.ID
	case len(i.Certificate.CommonNames) > 0:
		return i.Certificate.CommonNames[0]
	}
	return i.Certificate.Fingerprint
}
