package gc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Config is the gc section of sreg's configuration. The struct tags are the single source of the keys'
// names, values and documentation.
type Config struct {
	Schedule      string        `mapstructure:"schedule" doc:"When sreg serve runs the collector by itself, in the five fields of cron, as \"30 3 * * *\" or @daily; empty = never."`
	Jitter        time.Duration `mapstructure:"jitter" needs:".schedule" doc:"A scheduled run begins up to this much later, so that instances do not all begin at once."`
	Grace         time.Duration `mapstructure:"grace" doc:"What is younger is not condemned. A client that has pushed a blob, or was told by a HEAD that it is there, has this long to push the manifest that names it."`
	Trash         time.Duration `mapstructure:"trash" doc:"How long what was removed can be restored, and what was condemned waits to be destroyed."`
	UntaggedAfter time.Duration `mapstructure:"untagged_after" doc:"An untagged manifest that nothing names and no rule keeps goes when it is older; 0 = never, unless retention rules drop it."`
	MaxDelete     string        `mapstructure:"max_delete" pattern:"^([0-9]|[1-9][0-9]|100)%$" want:"a percentage from 0% to 100%" doc:"A plan is refused that removes more than this share of all tags, manifests or blobs."`
	Rate          int           `mapstructure:"rate" min:"0" doc:"Objects a second that a run looks at or changes; 0 = as many as it can."`
	Concurrency   int           `mapstructure:"concurrency" min:"1" max:"256" doc:"How many objects are read or changed at the same moment."`
}

// DefaultConfig keeps what was removed for a day, and runs when it is called.
func DefaultConfig() Config {
	return Config{Jitter: 10 * time.Minute, Grace: time.Hour, Trash: 24 * time.Hour, MaxDelete: "100%", Concurrency: 4}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.Schedule == "" {
		return
	}
	if _, err := ParseSchedule(c.Schedule); err != nil {
		report("schedule", err.Error())
	}
}

// ParseSchedule reads when a run begins: the five fields of cron, or @hourly, @daily, @weekly, @monthly
// and @every with a duration.
func ParseSchedule(text string) (cron.Schedule, error) {
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return nil, fmt.Errorf("want the five fields of cron, such as \"30 3 * * *\", or @daily, got %q: %w%s", text, err, fieldHint(text))
	}
	if schedule.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("want a time that comes, got %q", text)
	}
	return schedule, nil
}

// cronFields are what the fields of cron take.
var cronFields = [...]string{
	"minute, from 0 to 59", "hour, from 0 to 23", "day of the month, from 1 to 31",
	"month, from 1 to 12 or jan to dec", "day of the week, from 0 to 6 or sun to sat; 0 is Sunday",
}

// fieldHint names the first field of cron that is wrong, and what it takes.
func fieldHint(text string) string {
	fields := strings.Fields(text)
	if len(fields) != len(cronFields) {
		return ""
	}
	for i, field := range fields {
		alone := slices.Repeat([]string{"*"}, len(fields))
		alone[i] = field
		if _, err := cron.ParseStandard(strings.Join(alone, " ")); err != nil {
			return fmt.Sprintf("; field %d is the %s", i+1, cronFields[i])
		}
	}
	return ""
}

// ParseShare reads a percentage, as "20%".
func ParseShare(text string) (percent float64, err error) {
	number, isPercent := strings.CutSuffix(text, "%")
	percent, err = strconv.ParseFloat(number, 64)
	if err != nil || !isPercent || !(percent >= 0 && percent <= 100) {
		return 0, fmt.Errorf("want a percentage from 0%% to 100%%, got %q", text)
	}
	return percent, nil
}
