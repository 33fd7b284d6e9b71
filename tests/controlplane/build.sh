#!/usr/bin/env bash
# Builds the real control plane that Tollgate's tests and demo run on: etcd,
# kube-apiserver, kube-controller-manager and kubectl, at the versions pinned
# in go.mod and etcd/go.mod, into build/controlplane/bin of this repository.
# A binary that is already there for the pinned version is left alone.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
OUT=$ROOT/build/controlplane
BIN=$OUT/bin
ALL="etcd kube-apiserver kube-controller-manager kubectl"
GO_CHILD=           # process id of the running `go build`, for the traps
TMP=                # the binary being written, removed when interrupted

usage() {
    cat <<EOF
usage: tests/controlplane/build.sh [--check] [NAME...]

Builds the test control plane into build/controlplane/bin. NAME is one of:
  $ALL
Without a NAME all four are built, one after another.
  --check   build nothing; exit 0 if everything is ready, 1 if not
  --help    this text

Environment:
  KUBEBUILDER_ASSETS  a folder that holds etcd, kube-apiserver and kubectl:
                      these are used as they are instead of being built.
                      kube-controller-manager is built if it is not there.

Needs: Go $(pinned_go) or later, flock, and the Go module proxy on a first build.
Exit codes: 0 ready; 1 a build failed, or --check found something missing;
            2 wrong usage or a missing tool; 130/143 interrupted.
EOF
}

say()  { printf 'controlplane: %s\n' "$*" >&2; }
die()  { local code=$1; shift; say "error: $*"; exit "$code"; }

pinned_go()         { awk '$1 == "go" { print $2; exit }' "$HERE/go.mod"; }
pinned_kubernetes() { awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }
                           $1 == "k8s.io/kubernetes" { print $2 }' "$HERE/go.mod" | head -n 1; }
pinned_etcd()       { awk '/go.etcd.io\/etcd\/server\/v3 v/ { print $(NF) ; exit }' "$HERE/etcd/go.mod"; }

module_of() { if [ "$1" = etcd ]; then echo "$HERE/etcd"; else echo "$HERE"; fi; }

package_of() { if [ "$1" = etcd ]; then echo .; else echo "k8s.io/kubernetes/cmd/$1"; fi; }

version_of() { if [ "$1" = etcd ]; then pinned_etcd; else pinned_kubernetes; fi; }

# Kubernetes takes its version from the linker; without these the API server
# calls itself v0.0.0-master and clients that check for skew complain.
ldflags_of() {
    local flags="-s -w" version major minor package
    if [ "$1" != etcd ]; then
        version=$(pinned_kubernetes)
        IFS=. read -r major minor _ <<<"${version#v}"
        for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
            flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major"
            flags+=" -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
        done
    fi
    echo "$flags"
}

# What a binary was built from; a stamp that differs means "build again".
stamp_of() {
    local module; module=$(module_of "$1")
    { cat "$module/go.mod" "$module/go.sum"; ldflags_of "$1"
      if [ "$1" = etcd ]; then cat "$module/main.go"; fi; } | sha256sum | cut -d ' ' -f 1
}

is_built() {
    [ -x "$BIN/$1" ] && [ -f "$BIN/.$1.stamp" ] && [ "$(cat "$BIN/.$1.stamp")" = "$(stamp_of "$1")" ]
}

# True if $KUBEBUILDER_ASSETS is to be used: all or nothing, so that an API
# server is never paired with an etcd of an unrelated version by accident.
assets_usable() {
    local dir=${KUBEBUILDER_ASSETS:-}
    [ -n "$dir" ] && [ -x "$dir/etcd" ] && [ -x "$dir/kube-apiserver" ] && [ -x "$dir/kubectl" ]
}

is_ready() { { assets_usable && [ -x "$KUBEBUILDER_ASSETS/$1" ]; } || is_built "$1"; }

report_assets() {
    [ -n "${KUBEBUILDER_ASSETS:-}" ] || return 0
    if ! assets_usable; then
        say "KUBEBUILDER_ASSETS does not hold etcd, kube-apiserver and kubectl: ignored"
    elif [ -x "$KUBEBUILDER_ASSETS/kube-controller-manager" ]; then
        say "using the binaries in KUBEBUILDER_ASSETS"
    else
        say "using etcd, kube-apiserver and kubectl from KUBEBUILDER_ASSETS;"
        say "kube-controller-manager is missing there and comes from this repository ($(pinned_kubernetes))"
    fi
}

require_tools() {
    local found
    command -v flock >/dev/null || die 2 "flock is missing: install util-linux"
    command -v go >/dev/null ||
        die 2 "go is missing: install Go $(pinned_go) or later and put it on PATH"
    found=$(cd "$HERE" && go version | awk '{ sub(/^go/, "", $3); print $3 }') ||
        die 2 "'go version' failed: see above"
    if [ "$(printf '%s\n%s\n' "$(pinned_go)" "$found" | sort -V | head -n 1)" != "$(pinned_go)" ]; then
        die 2 "Go $found is too old: install Go $(pinned_go) or later and put it on PATH"
    fi
}

# Prints one progress line: over the previous one on a terminal (every 2 s),
# as a plain line otherwise (every 30 s).
NEXT_PLAIN=30
progress() {
    local seconds=$1 text=$2
    if [ -t 2 ]; then
        printf '\r\033[Kcontrolplane: %s, %d s' "$text" "$seconds" >&2
    elif [ "$seconds" -ge "$NEXT_PLAIN" ]; then
        say "$text, $seconds s"
        NEXT_PLAIN=$((seconds + 30))
    fi
}

clear_progress() { if [ -t 2 ]; then printf '\r\033[K' >&2; fi; NEXT_PLAIN=30; }

take_lock() {
    local from=$SECONDS
    exec 9>"$OUT/lock"
    until flock -w 2 9; do
        progress $((SECONDS - from)) "waiting for another build of the control plane"
    done
    clear_progress
}

on_signal() {
    trap - INT TERM EXIT
    if [ -n "$GO_CHILD" ]; then kill -TERM "$GO_CHILD" 2>/dev/null || true; wait "$GO_CHILD" 2>/dev/null || true; fi
    if [ -n "$TMP" ]; then rm -f "$TMP"; fi
    clear_progress
    exit "$1"
}

# How far a `go build -v` has come, from its output.
describe() {
    local log=$1 name=$2
    if tail -n 1 "$log" | grep -q '^go: downloading'; then
        echo "downloading the sources of $name"
    else
        echo "building $name ($(grep -vc '^go: ' "$log" || true) packages compiled)"
    fi
}

build() {
    local name=$1 log=$OUT/$1.build.log from=$SECONDS
    TMP=$BIN/.$name.tmp.$$
    say "building $name $(version_of "$name")"
    # 9>&-: a compiler must not keep the lock if this script is killed.
    (cd "$(module_of "$name")" &&
     exec env CGO_ENABLED=0 GOWORK=off go build -v -mod=readonly -trimpath -buildvcs=false \
          -ldflags "$(ldflags_of "$name")" -o "$TMP" "$(package_of "$name")") >"$log" 2>&1 9>&- &
    GO_CHILD=$!
    while kill -0 "$GO_CHILD" 2>/dev/null; do
        sleep 1
        if [ $(((SECONDS - from) % 2)) -eq 0 ]; then progress $((SECONDS - from)) "$(describe "$log" "$name")"; fi
    done
    clear_progress
    if ! wait "$GO_CHILD"; then
        rm -f "$TMP"
        tail -n 20 "$log" >&2
        die 1 "building $name failed; all of its output is in ${log#"$ROOT"/}"
    fi
    GO_CHILD=
    rm -f "$BIN/.$name.stamp"    # never an old stamp beside a new binary
    mv -f "$TMP" "$BIN/$name"
    TMP=
    stamp_of "$name" >"$BIN/.$name.stamp"
    say "built $name $(version_of "$name") in $((SECONDS - from)) s"
}

main() {
    local check= names= name missing=
    while [ $# -gt 0 ]; do
        case $1 in
            -h|--help) usage; exit 0 ;;
            --check) check=1 ;;
            -*) die 2 "unknown option '$1' (see --help)" ;;
            *) case " $ALL " in *" $1 "*) names+=" $1" ;; *) die 2 "unknown name '$1': one of $ALL" ;; esac ;;
        esac
        shift
    done
    for name in ${names:-$ALL}; do is_ready "$name" || missing+=" $name"; done
    if [ -n "$check" ]; then
        [ -z "$missing" ] || die 1 "not built for the pinned version:$missing (run tests/controlplane/build.sh)"
        exit 0
    fi
    report_assets
    if [ -n "$missing" ]; then
        require_tools
        mkdir -p "$BIN"
        trap 'on_signal 130' INT
        trap 'on_signal 143' TERM
        take_lock
        # Asked again under the lock: the one we waited for may have built it.
        for name in $missing; do is_ready "$name" || build "$name"; done
    fi
    names=${names:-$ALL}
    say "ready: ${names# }"
}

main "$@"
