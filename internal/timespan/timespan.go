// Package timespan is for durations that people read and write, such as 24h or 7d.
// It promises that Parse reads what Text writes as the same duration.
// It must not know what takes that long.
package timespan

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const day = 24 * time.Hour

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

// Parse reads a duration as time.ParseDuration does, and before the other units days of 24 hours: 7d, 1d12h.
func Parse(text string) (time.Duration, error) {
	number, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	sign := ""
	if strings.HasPrefix(number, "-") || strings.HasPrefix(number, "+") {
		sign, number = number[:1], number[1:]
	}
	days, err := time.ParseDuration(number + "h")
	if err != nil || strings.Trim(number, "0123456789.") != "" || days > math.MaxInt64/(day/time.Hour) {
		return 0, invalid(text)
	}
	d := days * (day / time.Hour)
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || strings.ContainsAny(rest[:1], "+-") || d > math.MaxInt64-more {
			return 0, invalid(text)
		}
		d += more
	}
	if sign == "-" {
		d = -d
	}
	return d, nil
}

func invalid(text string) error { return fmt.Errorf("want a duration such as 12h or 7d, got %q", text) }
