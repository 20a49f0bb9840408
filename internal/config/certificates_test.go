package config

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"
)

func TestTheTimeOfCertificates(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	one := func(name string, age, left time.Duration) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-age), NotAfter: now.Add(left)}
	}
	for _, tt := range []struct {
		name         string
		certificates []*x509.Certificate
		want         string
		invalid      bool
	}{
		{"a year", []*x509.Certificate{one("a", 100*day, 265*day)}, "", false},
		{"the last month", []*x509.Certificate{one("a", 340*day, 25*day)}, `the certificate of "CN=a" in f ends in 25 days, at 2026-12-25 12:00 UTC: renew it`, false},
		{"renewed every two months of three", []*x509.Certificate{one("a", 60*day, 30*day)}, "", false},
		{"of a day, in time", []*x509.Certificate{one("a", 16*time.Hour, 8*time.Hour)}, "", false},
		{"of a day, late", []*x509.Certificate{one("a", 20*time.Hour, 4*time.Hour)}, `the certificate of "CN=a" in f ends in 4 hours, at 2026-11-30 16:00 UTC: renew it`, false},
		{"over", []*x509.Certificate{one("a", 90*day, -3*day)}, `the certificate of "CN=a" in f ended 3 days ago, at 2026-11-27 12:00 UTC: renew it`, true},
		{"not yet valid", []*x509.Certificate{one("a", -3*day, 90*day)}, `the certificate of "CN=a" in f is not valid before 2026-12-03 12:00 UTC, 3 days from now: look at the clock of this computer, or use one that is valid`, true},
		{"one of a chain", []*x509.Certificate{one("a", day, 300*day), one("b", 350*day, 9*day), one("c", 350*day, -2*day)}, `the certificate of "CN=c" in f ended 2 days ago, at 2026-11-28 12:00 UTC: renew it`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := judge("key", "f", tt.certificates, now)
			if got.Problem != tt.want || got.Invalid != tt.invalid {
				t.Errorf("got %t %s\nwant %t %s", got.Invalid, got.Problem, tt.invalid, tt.want)
			}
		})
	}
}
