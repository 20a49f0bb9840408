// Package timespan is for durations that people read, such as 24h.
// It promises that time.ParseDuration reads what Text writes as the same duration.
// It must not know what takes that long.
package timespan

import (
	"strings"
	"time"
)

// Text is a duration without the zeros at its end: 24h rather than 24h0m0s.
func Text(d time.Duration) string {
	text := d.String()
	if short, found := strings.CutSuffix(text, "m0s"); found {
		text = short + "m"
	}
	if short, found := strings.CutSuffix(text, "h0m"); found {
		text = short + "h"
	}
	return text
}
