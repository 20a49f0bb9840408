#!/usr/bin/env bash
# Installs the tools of tools.txt, for the groups that are named: tools/install.sh lint test
# Each Go tool is built on its own into a cache outside the repo and linked into .tools/bin; packages of
# npm go into a folder of that cache, linked as .tools/npm/NAME; Debian packages come from apt-get. What
# is there already is left alone.
# With SREG_TEST_PARTIAL=1 a tool that cannot be installed is only reported.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$here/../.tools/bin
modules=$here/../.tools/npm
cache=${SREG_TOOLS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sreg-tools}
mkdir -p "$bin" "$modules" "$cache"
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
		# A program is called after its folder, which is not always its name.
		[ -x "$dir/$name" ] || mv "$dir/$(basename "${package%%@*}")" "$dir/$name"
	fi
	ln -sfn "$dir/$name" "$bin/$name"
}

# install_npm puts the packages of one tool into one folder, so that they find each other and nobody else.
install_npm() {
	local name=$1 dir packages allowed
	shift
	packages=$*
	dir=$cache/npm-${packages//[ \/]/+}
	if [ ! -d "$dir" ]; then
		if ! command -v npm >/dev/null; then
			fail "$name is missing, and so is npm, which would install it: install Node.js with npm (on Debian: apt-get install npm)"
			return 0
		fi
		echo "tools: installing $packages"
		rm -rf "$dir.new"
		mkdir "$dir.new"
		# Only what is named here may run a script when it is installed: node fetches its binary so.
		allowed=$(printf '"%s":true,' "${@%@*}")
		echo "{\"private\":true,\"allowScripts\":{${allowed%,}}}" >"$dir.new/package.json"
		# Nothing is written outside of this folder, npm's own cache and log included. The settings are in the
		# environment, because node's script calls npm again.
		if ! (
			cd "$dir.new" || exit 1
			export npm_config_global=false npm_config_cache="$dir.new/.cache" npm_config_package_lock=false
			export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error
			npm install --no-save "$@"
		); then
			fail "$name: npm install $packages failed"
			return 0
		fi
		rm -rf "$dir.new/.cache"
		mv "$dir.new" "$dir"
	fi
	ln -sfn "$dir" "$modules/$name"
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
		npm | apt)
			read -ra packages <<<"$package"
			"install_$kind" "$name" "${packages[@]}" </dev/null
			;;
		*) fail "$name: unknown kind $kind" ;;
		esac
	done
done <"$here/tools.txt"
