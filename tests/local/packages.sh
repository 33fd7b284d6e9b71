#!/bin/sh
# Names what is missing on a Debian-like machine to build Tollgate and the control plane that its tests and demo
# run on, and installs it: as root, or with sudo. Asks for nothing when nothing is missing.
#
#   tests/local/packages.sh            for `make demo` and `make up`
#   tests/local/packages.sh --test     also for `make test`
#   tests/local/packages.sh --bench    also for `make bench`
#   tests/local/packages.sh --check    also for `make fuzz`, `make tidy` and `make asan CC=clang`
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
missing=

say() { printf 'packages: %s\n' "$*" >&2; }
command_from() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
library_from() { pkg-config --exists "$1" 2>/dev/null || missing="$missing $2"; }

# Debian has the runtimes of clang's sanitizers and of libFuzzer in a package apart.
has_sanitizers() {
	command -v clang >/dev/null 2>&1 && ls "$(clang -print-resource-dir)"/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		say "neither root nor sudo: please run as root: $*"
		exit 2
	fi
}

find_missing() {
	missing=
	command_from gcc gcc
	command_from make make
	command_from pkg-config pkg-config
	[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
	library_from libcurl libcurl4-gnutls-dev
	library_from jansson libjansson-dev
	library_from yaml-0.1 libyaml-dev
	library_from libuv libuv1-dev
	library_from libmicrohttpd libmicrohttpd-dev
	library_from gnutls libgnutls28-dev
	library_from gmp libgmp-dev
	command_from python3 python3
	command_from openssl openssl
	command_from flock util-linux
	[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
	[ -x "$root/build/go/bin/go" ] || command_from go golang-go
	if [ "${1:-}" = --test ]; then
		library_from cmocka libcmocka-dev
		command_from pip3 python3-pip
		command_from valgrind valgrind
		command_from git git
		command_from prometheus prometheus
		command_from promtool prometheus
	fi
	if [ "${1:-}" = --bench ]; then
		command_from wrk wrk
		command_from git git
	fi
	if [ "${1:-}" = --check ]; then
		library_from cmocka libcmocka-dev
		command_from clang clang
		command_from clang-tidy clang-tidy
		has_sanitizers || missing="$missing libclang-rt-dev"
	fi
}

# The control plane wants a newer Go than Debian 12 has. Go from 1.21 on fetches the one that go.mod names by
# itself; for an older one it is fetched here in the same way, as a module, and build/go points to it.
newer_go() {
	wanted=$(awk '$1 == "go" { print $2; exit }' "$root/tests/controlplane/go.mod")
	found=$(cd / && GOTOOLCHAIN=local go version | sed 's/^go version go\([0-9.]*\).*/\1/')
	[ "$(printf '1.21\n%s\n' "$found" | sort -V | head -n 1)" != 1.21 ] || return 0
	[ ! -x "$root/build/go/bin/go" ] || return 0
	say "Go $found is too old for the control plane: fetching Go $wanted"
	module="golang.org/toolchain@v0.0.1-go$wanted.$(go env GOOS)-$(go env GOARCH)"
	(cd / && go mod download "$module")
	folder=$(go env GOMODCACHE)/$module
	chmod +x "$folder"/bin/* "$folder"/pkg/tool/*/*
	mkdir -p "$root/build"
	ln -sfn "$folder" "$root/build/go"
}

find_missing "$@"
if [ -n "$missing" ]; then
	say "missing:$missing"
	if ! command -v apt-get >/dev/null 2>&1; then
		say "this is no Debian-like machine: please install what these packages hold"
		exit 2
	fi
	as_root apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
	find_missing "$@"
	[ -z "$missing" ] || { say "still missing:$missing"; exit 2; }
fi
command -v go >/dev/null 2>&1 && newer_go
exit 0
