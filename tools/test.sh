#!/usr/bin/env bash
# Runs all tests and says at the end which took longest and what was left out: tools/test.sh TIMEOUT
# What runs in the test's own process runs under the race detector. cmd/sreg only starts programs, so the
# detector would watch nothing there: it builds a server with the detector inside for the tests that want one.
set -euo pipefail

timeout=$1
cd "$(dirname "$0")/.."
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Stores of tests lie in memory where the system has a place for that.
store=${TMPDIR:-/tmp}
if [ -z "${TMPDIR:-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ]; then
	store=$(mktemp -d /dev/shm/sreg-test.XXXXXX)
	trap 'rm -rf "$results" "$store"' EXIT
fi

race=-race
export CGO_ENABLED=1
if ! command -v "$(go env CC)" >/dev/null; then
	[ "${SREG_TEST_PARTIAL:-}" = 1 ] || { echo "the race detector needs a C compiler: install gcc" >&2; exit 1; }
	race=
	CGO_ENABLED=0
	echo "left out: the race detector needs a C compiler" >"$results/compiler.json"
fi

# run runs the tests of some packages: run NAME FLAGS AND PACKAGES
run() {
	local name=$1
	shift
	gotestsum --format pkgname --hide-summary skipped --jsonfile "$results/$name.json" -- \
		-timeout "$timeout" -vet off -count 1 "$@"
}

failed=0
# The programs mostly wait for each other, so they run beside the rest.
CGO_ENABLED=0 run programs -parallel 6 ./cmd/sreg >"$results/programs.txt" 2>&1 &
programs=$!
mapfile -t packages < <(go list ./... | grep -v /cmd/sreg)
built=${TMPDIR:-/tmp}
TMPDIR=$store GOTMPDIR=$built run packages ${race:+"$race"} "${packages[@]}" || failed=1
wait "$programs" || failed=1
cat "$results/programs.txt"

echo "the ten slowest tests:"
cat "$results"/{programs,packages}.json | gotestsum tool slowest --num 10 --threshold 1s | sed 's/^/  /'
left=$(grep -hoE 'left out: [^"\\]+' "$results"/*.json | sed 's/^left out: //' | sort | uniq -c |
	sed -E 's/^ *([0-9]+) (.*)/\2 (\1)/' | paste -sd ';' | sed 's/;/; /g' || true)
echo "left out: ${left:-nothing}"
exit "$failed"
