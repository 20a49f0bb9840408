#!/usr/bin/env bash
# build-cost.sh compiles cmd/sreg as on a new machine, with an empty build cache, and prints what that cost: for each of
# the ten modules that cost most the seconds of processor time, and what of it is in the binary.
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
export GOCACHE=$work/cache CGO_ENABLED=0

go mod download
begun=$(date +%s)
go build -trimpath -debug-actiongraph="$work/graph" -o "$work/sreg" ./cmd/sreg
ended=$(date +%s)

# Which package is of which module: those without one are of the standard library.
go list -deps -f '{{.ImportPath}}	{{with .Module}}{{.Path}}{{else}}standard library{{end}}' ./cmd/sreg >"$work/modules"
# The graph has a field a line. CmdUser and CmdSys are nanoseconds of processor time.
awk -F '"' '
  /^\t\t"Mode":/ { mode = $4; cpu = 0 }
  /^\t\t"Package":/ { package = $4 }
  /^\t\t"Cmd(User|Sys)":/ { gsub(/[^0-9]/, "", $3); cpu += $3 }
  /^\t}/ { if (mode == "build" && cpu > 0) print package "\t" cpu / 1e9; mode = "" }
' "$work/graph" >"$work/times"
# A symbol is of the package that its name begins with: the last word behind a slash ends at the first dot.
go tool nm -size "$work/sreg" | awk '
  $3 ~ /^[TtRrDd]$/ {
    name = $4; sub(/^(type|go):/, "", name)
    n = split(name, part, "/"); sub(/[.].*/, "", part[n])
    package = part[1]; for (i = 2; i <= n; i++) package = package "/" part[i]
    print package "\t" $2
  }
' >"$work/sizes"

echo "$((ended - begun)) s, $(nproc) processors, load $(cut -d ' ' -f 1 /proc/loadavg), binary $(($(stat -c %s "$work/sreg") >> 20)) MiB"
awk -F '\t' '
  FILENAME ~ /modules$/ { module[$1] = $2; next }
  !($1 in module) { next }
  FILENAME ~ /times$/ { cpu[module[$1]] += $2; count[module[$1]]++; all += $2; next }
  { size[module[$1]] += $2 }
  END {
    for (m in cpu) printf "| %s | %d | %.1f | %.0f %% | %.1f MiB |\n", m, count[m], cpu[m], 100 * cpu[m] / all, size[m] / 1048576
  }
' "$work/modules" "$work/times" "$work/sizes" | sort -t '|' -k 4 -rn | head -n 10
