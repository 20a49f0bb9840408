package commands

import (
	"fmt"
	"time"
)

// counted says how many there are of something: 1 tag, 2 tags.
func counted(n int, noun string) string { return countedAs(n, noun, noun+"s") }

// countedAs is counted for a noun whose plural is of its own.
func countedAs(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// span says a duration in its largest unit.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return counted(int(d.Seconds()), "second")
}

// sized says a number of bytes in the unit that leaves the fewest digits, rounded to a tenth.
func sized(bytes int64) string {
	size := float64(bytes)
	if size < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	unit := -1
	for size >= 1024 && unit < 3 {
		size /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGT"[unit])
}

// took says how long something took, with three digits or to the second.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
