#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what is missing of the tools that natbridge is built and tested with. Debian 12; root only if something is
# missing. Usage: deps.sh [build | all | bench | kernels]. "build" is what make needs, "all" also what the tests and the demo
# need, "bench" the clients and plots of the bench, "kernels" what other kernels are booted with.
set -euo pipefail

TEST_BIN_DIR=${TEST_BIN_DIR:-/opt/natbridge-test/bin}
# The newest releases when this was written, but of crictl one that the Go below builds; cnitool 1.3.0 is the first that
# knows GC and STATUS.
GO_TOOLS=(github.com/containernetworking/cni/cnitool@v1.3.0 sigs.k8s.io/cri-tools/cmd/crictl@v1.34.0)
PLUGINS=github.com/containernetworking/plugins/plugins@v1.9.1
# The newest that a go.mod of these asks for, and the toolchain that is fetched where Debian's is older.
GO_NEEDED=1.24.1
GO_VERSION=1.24.13

BUILD_PACKAGES=(make gcc libc6-dev clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libmnl-dev libcjson-dev
	libnftables-dev libmd-dev libyaml-dev pkg-config)
TEST_PACKAGES=(libcmocka-dev bats bats-assert bats-support clang-format clang-tidy libclang-rt-14-dev shellcheck mandoc iproute2 iptables nftables
	tcpdump socat conntrack ethtool jq python3-scapy python3-yaml strace iputils-ping procps util-linux ca-certificates busybox-static dpkg-dev lintian)
# Programs, since they may have come by another way; Docker's containerd.io and Debian's containerd exclude each other.
RUNTIMES=(containerd runc podman conmon)
BENCH_PACKAGES=(wrk nginx-light iperf3 sockperf python3-matplotlib)
KERNEL_PACKAGES=(qemu-system-x86 busybox-static cpio kmod)
TEST_PLUGINS=(main/bridge main/ptp ipam/host-local ipam/static meta/portmap meta/bandwidth meta/firewall meta/tuning main/loopback)

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

missing_runtimes() {
	local program
	for program in "${RUNTIMES[@]}"; do
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

# The name of the program that go install makes of MODULE@VERSION.
program_of() {
	local path=${1%@*}
	echo "${path##*/}"
}

# What is not in $TEST_BIN_DIR, as PACKAGE@VERSION.
missing_programs() {
	local plugin program
	local wanted=("${GO_TOOLS[@]}")
	for plugin in "${TEST_PLUGINS[@]}"; do
		wanted+=("${PLUGINS%@*}/$plugin@${PLUGINS#*@}")
	done
	for program in "${wanted[@]}"; do
		[ -x "$TEST_BIN_DIR/$(program_of "$program")" ] || echo "$program"
	done
}

ensure_programs() {
	local missing go program plugins=()
	mapfile -t missing < <(missing_programs)
	[ ${#missing[@]} -gt 0 ] || return 0
	need_root "${missing[*]} in $TEST_BIN_DIR"
	go=$(find_go)
	mkdir -p "$TEST_BIN_DIR"
	for program in "${missing[@]}"; do
		echo "deps: building $(program_of "$program") into $TEST_BIN_DIR"
		if [[ $program = "${PLUGINS%@*}/"* ]]; then
			plugins+=("$program") # all by one command, as they are of one module
		else
			go_install "$go" "$program"
		fi
	done
	[ ${#plugins[@]} -eq 0 ] || go_install "$go" "${plugins[@]}"
}

go_install() {
	local go=$1
	shift
	(cd / && GOBIN=$TEST_BIN_DIR GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='' "$go" install -trimpath "$@") ||
		die "$go install $* failed"
}

case ${1:-all} in
build)
	ensure_packages "${BUILD_PACKAGES[@]}"
	;;
all)
	mapfile -t runtimes < <(missing_runtimes)
	ensure_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${runtimes[@]}"
	ensure_programs
	;;
kernels)
	ensure_packages "${KERNEL_PACKAGES[@]}"
	;;
bench)
	ensure_packages "${BENCH_PACKAGES[@]}"
	;;
*)
	die "unknown argument '$1'; it is build, all, bench or kernels"
	;;
esac
