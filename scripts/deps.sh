#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what is missing of the tools that natbridge is built and tested with. Debian 12; root only if something is
# missing. Usage: deps.sh SET... with these sets, none of which includes another:
#   build    what "make" needs                              demo     what examples/demo.sh runs
#   test     what the suites of scripts/run-tests.sh run    lint     what scripts/lint.sh calls
#   fuzz     the runtime of libFuzzer                       kernels  what boots other kernels
#   bench    the clients and plots of the bench         kubernetes  what builds and runs test/kubernetes
# "deps.sh --go" prints the path of a Go that builds the tests' programs.
set -euo pipefail

TEST_BIN_DIR=${TEST_BIN_DIR:-/opt/natbridge-test/bin}
CNITOOL=github.com/containernetworking/cni/cnitool@v1.3.0 # the first that knows GC and STATUS
CRICTL=sigs.k8s.io/cri-tools/cmd/crictl@v1.34.0           # not the newest, but one that the Go below builds
PLUGINS=github.com/containernetworking/plugins/plugins    # the newest release when this was written
PLUGINS_VERSION=v1.9.1
# The newest that a go.mod of these asks for, and the toolchain that is fetched where Debian's is older.
GO_NEEDED=1.24.1
GO_VERSION=1.24.13

# A set is a list of Debian packages, of programs, and of Go programs that are built into $TEST_BIN_DIR. Programs may have come
# by another way than as a package of their name: Docker's containerd.io and Debian's containerd exclude each other.
SETS="build demo test lint fuzz kernels bench kubernetes"
declare -A packages=(
	[build]="make gcc libc6-dev clang bpftool libbpf-dev libelf-dev zlib1g-dev libmnl-dev libcjson-dev libnftables-dev libmd-dev
		libyaml-dev libcurl4-openssl-dev libmicrohttpd-dev pkg-config"
	[demo]="containernetworking-plugins iproute2 iptables nftables tcpdump jq procps util-linux"
	[test]="libcmocka-dev bats iproute2 iptables nftables tcpdump socat conntrack ethtool jq curl openssl python3-scapy python3-yaml python3-z3 strace
		iputils-ping procps util-linux ca-certificates busybox-static bsdextrautils dpkg-dev lintian mandoc zsh prometheus"
	[lint]="clang-format clang-tidy shellcheck mandoc git"
	[fuzz]="libclang-rt-14-dev"
	[kernels]="qemu-system-x86 busybox-static cpio kmod"
	[bench]="wrk nginx-light iperf3 sockperf python3-matplotlib iproute2 iptables nftables conntrack jq iputils-ping procps util-linux
		ca-certificates"
	[kubernetes]="bats mmdebstrap openssl curl jq iproute2 iptables nftables conntrack ethtool procps util-linux ca-certificates gcc libc6-dev
		openssh-server"
)
declare -A programs=(
	[test]="containerd runc podman conmon"
	[kubernetes]="containerd runc"
)
declare -A go_programs=(
	[test]="cnitool bridge host-local portmap ptp static bandwidth firewall tuning loopback crictl"
	[bench]="cnitool bridge host-local"
	[kubernetes]="bridge host-local portmap loopback"
)
declare -A modules=(
	[cnitool]=$CNITOOL [crictl]=$CRICTL [bridge]=$PLUGINS/main/bridge [ptp]=$PLUGINS/main/ptp [loopback]=$PLUGINS/main/loopback
	[host-local]=$PLUGINS/ipam/host-local [static]=$PLUGINS/ipam/static [portmap]=$PLUGINS/meta/portmap
	[bandwidth]=$PLUGINS/meta/bandwidth [firewall]=$PLUGINS/meta/firewall [tuning]=$PLUGINS/meta/tuning
)

export PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin

die() {
	echo "deps: $*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "missing: $*; run: sudo make deps"
}

missing_packages() {
	local installed
	installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "ii" { print $2 }' || true)
	printf '%s\n' "$@" | grep -vxF "$installed" || true
}

ensure_packages() {
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	need_root "${missing[*]}"
	echo "deps: installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	forbid_services
	apt-get -qq update || die "apt-get update failed"
	apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null || die "apt-get install ${missing[*]} failed"
}

# Packages start no daemons while this runs: the tests run their own. /usr/share/doc/init-system-helpers/README.policy-rc.d.gz
forbid_services() {
	[ ! -e /usr/sbin/policy-rc.d ] || return 0
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	install -m 0755 /dev/stdin /usr/sbin/policy-rc.d <<<$'#!/bin/sh\nexit 101'
}

missing_commands() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || echo "$program"
	done
}

# Whether dotted version $1 is at least $2.
version_ge() {
	[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

go_version() {
	"$1" env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//'
}

# Prints the path of a Go that is new enough; where there is none, Debian's fetches one as a module, as Go itself does
# since 1.21 (https://go.dev/doc/toolchain).
find_go() {
	local go found dir
	go=$(command -v go || true)
	if [ -z "$go" ]; then
		ensure_packages golang-go >&2
		go=$(command -v go)
	fi
	found=$(go_version "$go")
	if version_ge "${found:-0}" "$GO_NEEDED"; then
		echo "$go"
		return
	fi
	echo "deps: $go is Go ${found:-of unknown version}, older than the $GO_NEEDED that the tests' programs need; fetching Go $GO_VERSION" >&2
	dir=$(fetch_go "$go") || die "Go $GO_VERSION cannot be fetched; install Go $GO_NEEDED or newer and put it in PATH"
	echo "$dir/bin/go"
}

fetch_go() {
	local module dir
	module=golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$(dpkg --print-architecture)
	dir=$(cd / && "$1" mod download -json "$module" | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')
	[ -n "$dir" ] || return 1
	# A module's files come without the x bit and read-only.
	find "$dir/bin" "$dir/pkg/tool" -type f -exec chmod 0755 {} + || return 1
	echo "$dir"
}

# ensure_go_programs NAME...: in $TEST_BIN_DIR. Those of one module are built by one command.
ensure_go_programs() {
	local go name plugins=() others=()
	for name in "$@"; do
		if [ -x "$TEST_BIN_DIR/$name" ]; then
			continue
		elif [[ ${modules[$name]} = "$PLUGINS/"* ]]; then
			plugins+=("${modules[$name]}@$PLUGINS_VERSION")
		else
			others+=("${modules[$name]}")
		fi
	done
	[ $((${#plugins[@]} + ${#others[@]})) -gt 0 ] || return 0
	need_root "${plugins[*]} ${others[*]} in $TEST_BIN_DIR"
	go=$(find_go)
	mkdir -p "$TEST_BIN_DIR"
	for name in "${others[@]}"; do
		go_install "$go" "$name"
	done
	[ ${#plugins[@]} -eq 0 ] || go_install "$go" "${plugins[@]}"
}

go_install() {
	local go=$1
	shift
	echo "deps: building $* into $TEST_BIN_DIR"
	(cd / && GOBIN=$TEST_BIN_DIR GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='' "$go" install -trimpath "$@") ||
		die "$go install $* failed"
}

wanted_packages=() wanted_programs=() wanted_go=()
[ $# -gt 0 ] || die "missing set; the sets are $SETS"
[ "$*" != --go ] || {
	find_go
	exit
}
for set in "$@"; do
	[ -n "${packages[$set]:-}" ] || die "unknown set '$set'; the sets are $SETS"
	# shellcheck disable=SC2206 # one word for each
	wanted_packages+=(${packages[$set]}) wanted_programs+=(${programs[$set]:-}) wanted_go+=(${go_programs[$set]:-})
done
mapfile -t missing < <(missing_commands "${wanted_programs[@]}")
ensure_packages "${wanted_packages[@]}" "${missing[@]}"
mapfile -t wanted_go < <(printf '%s\n' "${wanted_go[@]}" | awk 'NF && !seen[$0]++')
ensure_go_programs "${wanted_go[@]}"
