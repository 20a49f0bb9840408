#!/usr/bin/env bash
# Installs the tools of tools.txt, for the groups that are named: tools/install.sh lint test
# Each Go tool is built on its own into a cache outside the repo and linked into .tools/bin; Debian
# packages come from apt-get. What is there already is left alone.
# With SREG_TEST_PARTIAL=1 a tool that cannot be installed is only reported.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$here/../.tools/bin
cache=${SREG_TOOLS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sreg-tools}
mkdir -p "$bin" "$cache"
refreshed=

# fail ends the run, unless a partial set of tools is enough.
fail() {
	echo "tools: $1" >&2
	[ "${SREG_TEST_PARTIAL:-}" = 1 ] || exit 1
}

install_go() {
	local name=$1 package=$2 dir
	dir=$cache/$name@${package##*@}
	if [ ! -x "$dir/$name" ]; then
		echo "tools: building $name ${package##*@}"
		# Away from the repo's module and from flags that belong to it.
		if ! (cd / && GOFLAGS='' GOWORK=off CGO_ENABLED=0 GOBIN=$dir.new go install "$package"); then
			fail "$name: go install $package failed"
			return 0
		fi
		rm -rf "$dir"
		mv "$dir.new" "$dir"
	fi
	ln -sfn "$dir/$name" "$bin/$name"
}

install_apt() {
	local name=$1
	shift
	if [ -n "$(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin command -v "$name")" ]; then
		return 0
	fi
	if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
		fail "$name is missing; install $* (as root on Debian this is done for you)"
		return 0
	fi
	echo "tools: installing $*"
	if [ -z "$refreshed" ]; then
		apt-get update -qq
		refreshed=1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null </dev/null ||
		fail "$name: apt-get install $* failed"
}

while read -r group kind name package; do
	case $group in '' | '#'*) continue ;; esac
	for wanted in "$@"; do
		[ "$group" = "$wanted" ] || continue
		case $kind in
		go) install_go "$name" "$package" ;;
		apt)
			read -ra packages <<<"$package"
			install_apt "$name" "${packages[@]}"
			;;
		*) fail "$name: unknown kind $kind" ;;
		esac
	done
done <"$here/tools.txt"
