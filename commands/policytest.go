package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/policy/policytest"
)

// policyTest is what sreg policy test was told.
type policyTest struct {
	from        source
	output      format
	run         string
	junit       string
	verbose     bool
	coverage    bool
	minCoverage float64 // of the access rules, in percent
	// minKeepCoverage is that of the keep rules.
	minKeepCoverage float64
	watch           bool
	files           []string
}

func newPolicyTest(io IO) *cobra.Command {
	var opts policyTest
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run files of cases against the policies and keep rules",
		Long: "Run files of cases against the policies of the config: who asks for what, and whether it\n" +
			"is allowed; and against its keep rules: which images of a namespace stay.\n" +
			"A case that fails is shown with the rule that decided and the values of its parts; -v shows\n" +
			"every rule.\n" +
			"Nothing but the files is needed; secrets that the config keeps in files may be missing." + exitCodes,
		Example: "  sreg policy test tests/*.yaml\n" +
			"  sreg policy test -c sreg.yaml --coverage --min-coverage 80 tests/*.yaml\n" +
			"  sreg policy test --junit report.xml tests/*.yaml\n" +
			"  sreg policy test --watch --run 'CI|bots' tests/team.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return nil
			}
			return &usageError{message: "sreg policy test wants at least one file of cases", hint: "sreg policy init writes a first one; " + seeHelp(cmd)}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.files = args
			return runPolicyTest(cmd.Context(), io, opts)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	opts.from.addConfigFlag(cmd)
	addOutputFlag(cmd, &opts.output)
	cmd.Flags().StringVar(&opts.run, "run", "", "run only the cases whose name matches `REGEXP`")
	cmd.Flags().StringVar(&opts.junit, "junit", "", "write a report for CI servers to `FILE`, too")
	cmd.Flags().BoolVar(&opts.coverage, "coverage", false, "show the rules that decided no case, and the actions that rules speak of and no case asks for")
	cmd.Flags().BoolVarP(&opts.verbose, "verbose", "v", false, "show every rule of a case that fails")
	percentFlag(cmd, &opts.minCoverage, "min-coverage", "fail if less than `PERCENT` of the access rules decided a case")
	percentFlag(cmd, &opts.minKeepCoverage, "min-keep-coverage", "fail if less than `PERCENT` of the keep rules decided a case")
	cmd.Flags().BoolVar(&opts.watch, "watch", false, "run again whenever a file changes, until interrupted")
	return cmd
}

func percentFlag(cmd *cobra.Command, percent *float64, flag, usage string) {
	cmd.Flags().Func(flag, usage, func(text string) (err error) {
		*percent, err = strconv.ParseFloat(text, 64)
		if err != nil || !(*percent >= 0 && *percent <= 100) {
			return errors.New("want a number from 0 to 100")
		}
		return nil
	})
	completeFrom(cmd, flag, "80", "100")
}

func runPolicyTest(ctx context.Context, io IO, opts policyTest) error {
	match, err := regexp.Compile(opts.run)
	if err != nil {
		return &usageError{message: "--run: " + err.Error()}
	}
	if opts.watch {
		return watchPolicyTest(ctx, io, opts, match)
	}
	return testPolicy(io, opts, match)
}

// testPolicy runs all files once, and reports.
func testPolicy(io IO, opts policyTest, match *regexp.Regexp) error {
	report, err := runCases(io, opts, match)
	if err != nil {
		return err
	}
	if err := report.print(io, opts); err != nil {
		return err
	}
	if opts.junit != "" {
		if err := os.WriteFile(opts.junit, report.junit(), 0o644); err != nil {
			return fmt.Errorf("write JUnit report: %w", err)
		}
	}
	return report.verdict(opts)
}

func runCases(io IO, opts policyTest, match *regexp.Regexp) (*policyReport, error) {
	loaded, err := loadPolicies(io, opts.from)
	if err != nil {
		return nil, err
	}
	runner := policytest.NewRunner(loaded.rules.Access, loaded.rules.Retention, match)
	report := &policyReport{}
	for _, file := range opts.files {
		content, err := readNamed(file)
		if err != nil {
			return nil, err
		}
		suite, mistakes := policytest.ParseSuite(content)
		if len(mistakes) > 0 {
			return nil, fileMistakes(file, mistakes)
		}
		if err := loaded.requirePolicy(); err != nil && len(suite.Cases) > 0 {
			return nil, err
		}
		outcomes, err := runner.Run(suite)
		if err != nil {
			return nil, &usageError{message: filepath.ToSlash(file) + ": " + err.Error()}
		}
		report.add(file, outcomes)
	}
	report.Coverage = runner.Report()
	return report, nil
}
