#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# make install, make deb and make image: exactly the files that are meant, programs that work from there, and nothing left afterwards.

load lib

setup() {
	suite_begin
	ROOT=$NBT_DIR/root
	umask 022
}

teardown() {
	suite_leave
}

# make without what an outer one has set.
fresh_make() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$NBT_ROOT" "$@"
}

# files DIR: all in it, with their modes.
files() {
	(cd "$1" && find . -type f -printf '%m %P\n' | sort -k 2)
}

# documents DIR: what both have there.
documents() {
	local file
	# shellcheck disable=SC2046 # one word for each file
	for file in $(cd "$NBT_ROOT" && echo *.md doc/*.md) \
		examples/agent.yaml examples/{assist,dual-stack,minimal,services-in-config}.conflist examples/web-list.json examples/web.yaml packaging/kubernetes/natbridge-{agent,cleanup}.yaml \
		packaging/prometheus/{dashboard.json,rules.yaml}; do
		echo "644 $1/$file"
	done
}

version() {
	sed -n 's/.*NB_VERSION "\(.*\)"/\1/p' "$NBT_ROOT/include/natbridge/version.h"
}

# installed_works PLUGIN-DIR: it answers VERSION and wires pods, which reach each other.
installed_works() {
	run -0 env -i CNI_COMMAND=VERSION "$1/natbridge" <<<'{"cniVersion": "1.1.0"}'
	[ "$(jq -r '.supportedVersions | index("1.1.0") != null' <<<"$output")" = true ]
	CNI_PATH=$1:$TEST_BIN_DIR pods_up n net a b
	serve b tcp 8080
	services_apply n "$(service default/web 10.96.0.10 TCP:80:8080 "$(pod_ip b 4)")"
	run -0 ask a tcp 10.96.0.10 80
	assert_answer b "$(pod_ip a 4)"
}

@test "make install: plugin, tool, manual pages, completion scripts, documents; make uninstall: only those go" {
	fresh_make install DESTDIR="$ROOT" >/dev/null
	files "$ROOT" | diff - <({
		echo "755 opt/cni/bin/natbridge"
		echo "755 usr/local/bin/natbridgectl"
		echo "755 usr/local/sbin/natbridge-agent"
		echo "644 usr/local/lib/systemd/system/natbridge-agent.service"
		echo "644 usr/local/share/man/man5/natbridge-agent.yaml.5"
		echo "644 usr/local/share/man/man5/natbridge.conflist.5"
		echo "644 usr/local/share/man/man8/natbridge-agent.8"
		echo "644 usr/local/share/man/man8/natbridge.8"
		echo "644 usr/local/share/man/man8/natbridgectl.8"
		echo "644 usr/local/share/bash-completion/completions/natbridgectl"
		echo "644 usr/local/share/zsh/site-functions/_natbridgectl"
		echo "644 usr/local/share/doc/natbridge/LICENSE"
		echo "644 usr/local/share/doc/natbridge/LICENSES/BSD-2-Clause.txt"
		documents usr/local/share/doc/natbridge
	} | sort -k 2)
	node_create n
	network_write n net
	installed_works "$ROOT/opt/cni/bin"
	CNI_PATH=$ROOT/opt/cni/bin:$TEST_BIN_DIR pods_down n net a b
	node_assert_clean n
	[ "$("$ROOT/usr/local/bin/natbridgectl" version)" = "$("$NBT_BUILD/natbridgectl" version)" ]
	[ "$("$ROOT/usr/local/sbin/natbridge-agent" --version)" = "natbridge-agent $(version)" ]
	grep -q '^ExecStart=/usr/local/sbin/natbridge-agent ' "$ROOT/usr/local/lib/systemd/system/natbridge-agent.service"
	grep -q '^ExecStartPre=-+/usr/local/bin/natbridgectl ' "$ROOT/usr/local/lib/systemd/system/natbridge-agent.service"

	touch "$ROOT/opt/cni/bin/bridge" "$ROOT/usr/local/share/doc/natbridge/mine"
	fresh_make uninstall DESTDIR="$ROOT" >/dev/null
	[ "$(files "$ROOT")" = $'644 opt/cni/bin/bridge\n644 usr/local/share/doc/natbridge/mine' ]
	[ ! -e "$ROOT/usr/local/share/doc/natbridge/examples" ]
	rm "$ROOT/usr/local/share/doc/natbridge/mine"
	fresh_make uninstall DESTDIR="$ROOT" >/dev/null
	[ ! -e "$ROOT/usr/local/share/doc/natbridge" ]
	local dirs="PREFIX=/p CNI_BIN_DIR=/cni DOC_DIR=/d MAN_DIR=/m SYSTEMD_DIR=/s BASH_COMPLETION_DIR=/b ZSH_COMPLETION_DIR=/z"
	# shellcheck disable=SC2086 # several words
	fresh_make install DESTDIR="$ROOT" $dirs >/dev/null
	[ -x "$ROOT/cni/natbridge" ]
	[ -x "$ROOT/p/bin/natbridgectl" ]
	[ -e "$ROOT/s/natbridge-agent.service" ]
	[ -e "$ROOT/d/README.md" ]
	[ -e "$ROOT/m/man8/natbridgectl.8" ]
	[ -e "$ROOT/m/man5/natbridge.conflist.5" ]
	[ "$(<"$ROOT/b/natbridgectl")" = "$("$ROOT/p/bin/natbridgectl" completion bash)" ]
	[ "$(<"$ROOT/z/_natbridgectl")" = "$("$ROOT/p/bin/natbridgectl" completion zsh)" ]
	# shellcheck disable=SC2086
	fresh_make uninstall DESTDIR="$ROOT" $dirs >/dev/null
	[ "$(files "$ROOT")" = '644 opt/cni/bin/bridge' ]
}

@test "make works in a folder of any name, and installs below one" {
	local name dir dest
	for name in 'a b' "quote's" 'ü#$:%"\&'; do
		dir="$BATS_TEST_TMPDIR/$name"
		mkdir -p "$dir/build"
		(cd "$NBT_ROOT" && cp -a Makefile ./*.md LICENSE LICENSES agent bpf cli doc examples include lib packaging plugin scripts "$dir")
		cp -a "$NBT_BUILD/obj" "$dir/build"
		# the rest is not compiled again
		touch "$dir/lib/util/addr.c" "$dir/bpf/qdisc.bpf.c"
		run -0 fresh_make -C "$dir" -j2 all compile_commands.json
		cmp "$dir/build/natbridge" "$NBT_BUILD/natbridge"
		[ "$(jq -r 'map(.directory) | unique[]' "$dir/compile_commands.json")" = "$dir" ]
		run -0 		jq -e 'any(.file == "bpf/natbridge.bpf.c") and any(.file == "plugin/main.c")' "$dir/compile_commands.json"
		run -0 fresh_make -C "$dir" deb
		[ -s "$dir/${lines[-1]}" ]
		dest="$BATS_TEST_TMPDIR/to ${name//$/}"
		fresh_make -C "$dir" install DESTDIR="$dest" >/dev/null
		[ "$(files "$dest" | wc -l)" = "$(($(documents x | wc -l) + 13))" ]
		fresh_make -C "$dir" uninstall DESTDIR="$dest" >/dev/null
		[ -z "$(files "$dest")" ]
	done
	dir=$BATS_TEST_TMPDIR/$'a\tb'
	mkdir "$dir"
	run -2 fresh_make -C "$dir" -f "$NBT_ROOT/Makefile" all
	[[ $output = *"the path of this folder contains a tab"* ]] || fail "$output"
}

# page NAME: the words of a manual page as it is printed, one a line.
page() {
	mandoc -Tascii -Owidth=200 "$NBT_ROOT/doc/man/$1" | col -b | words
}

words() {
	tr -cs 'A-Za-z0-9_-' '\n' | sort -u
}

@test "the manual pages: every command, option, counter and setting of natbridgectl" {
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	local command commands missing
	commands=$("$NBT_BUILD/natbridgectl" help | sed -n '/^COMMANDS/,/^OPTIONS/s/^  \([a-z]\+\( [a-z]\+\)\?\).*/\1/p')
	[ "$(wc -l <<<"$commands")" -ge 14 ] || fail "$commands"
	[ "$(sed -n 's/^\.Ss //p' "$NBT_ROOT/doc/man/natbridgectl.8")" = "$commands" ]
	missing=$(comm -23 <(while read -r command; do
		# shellcheck disable=SC2086 # several words
		"$NBT_BUILD/natbridgectl" $command --help
	done <<<"$commands" | grep -o -- '--[a-z-]*' | words) <(page natbridgectl.8))
	[ -z "$missing" ] || fail "$missing"
	# The counters before the drop reasons, which the page leaves to another document.
	node_create n
	network_write n net
	pods_up n net a
	ctl n -o json conntrack stats >"$NBT_DIR/stats"
	pods_down n net a
	missing=$(comm -23 <(jq -r '.[0] | (keys[] | select(startswith("drop_") or . == "network" | not)), (.settings | keys[])' "$NBT_DIR/stats" | words) \
		<(page natbridgectl.8))
	[ -z "$missing" ] || fail "$missing"
}

# The keys of a configuration that the plugin knows: names in quotes in its code that are no value of a key.
config_keys() {
	grep -oh '"[a-z][A-Za-z]*"' "$NBT_ROOT"/plugin/conf*.c "$NBT_ROOT"/lib/conf/{proxy,services}.c "$NBT_ROOT/plugin/dns.c" | tr -d '"' |
		grep -vxE 'ebpf|assist|off|iptables|nftables' | sort -u
}

@test "every key of a configuration stands in natbridge.conflist(5) and README.md" {
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	local missing
	config_keys >"$NBT_DIR/keys"
	grep -qx ipspoofchk "$NBT_DIR/keys"
	[ "$(wc -l <"$NBT_DIR/keys")" -ge 50 ] || fail "$(<"$NBT_DIR/keys")"
	missing=$(comm -23 "$NBT_DIR/keys" <(page natbridge.conflist.5))
	[ -z "$missing" ] || fail "not in natbridge.conflist.5:" "$missing"
	missing=$(comm -23 "$NBT_DIR/keys" <(words <"$NBT_ROOT/README.md"))
	[ -z "$missing" ] || fail "not in README.md:" "$missing"
}

@test "every key of a configuration stands in the fuzzer's first configuration" {
	local missing
	config_keys >"$NBT_DIR/keys"
	missing=$(comm -23 "$NBT_DIR/keys" <(jq -r '.. | objects | keys[]' "$NBT_ROOT/test/fuzz/conf/every-key.json" | sort -u))
	[ -z "$missing" ] || fail "not in every-key.json:" "$missing"
}

@test "every flag and key of natbridge-agent stands in its manual pages, and no other" {
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	local missing
	"$NBT_BUILD/natbridge-agent" --help | grep -o '^  --*[a-z-]*' | words >"$NBT_DIR/flags"
	[ "$(wc -l <"$NBT_DIR/flags")" -ge 20 ] || fail "$(<"$NBT_DIR/flags")"
	missing=$(comm -23 "$NBT_DIR/flags" <(page natbridge-agent.8))
	[ -z "$missing" ] || fail "not in natbridge-agent.8:" "$missing"
	missing=$(comm -13 "$NBT_DIR/flags" <(sed -n 's/^\.It Fl -\([a-z-]*\).*/--\1/p' "$NBT_ROOT/doc/man/natbridge-agent.8" | words))
	[ -z "$missing" ] || fail "natbridge-agent has no" "$missing"
	sed -n 's/^\tROW("[a-z-]*", "\([A-Za-z.]*\)".*/\1/p' "$NBT_ROOT/agent/config.c" | words >"$NBT_DIR/keys"
	[ "$(wc -l <"$NBT_DIR/keys")" -ge 14 ] || fail "$(<"$NBT_DIR/keys")"
	missing=$(comm -23 "$NBT_DIR/keys" <(page natbridge-agent.yaml.5))
	[ -z "$missing" ] || fail "not in natbridge-agent.yaml.5:" "$missing"
	missing=$(comm -13 "$NBT_DIR/keys" <(sed -n 's/^\.It Ic \([A-Za-z.]*\).*/\1/p' "$NBT_ROOT/doc/man/natbridge-agent.yaml.5" | words | grep -vx -e apiVersion -e kind))
	[ -z "$missing" ] || fail "the configuration has no" "$missing"
}

# deb: makes the package and prints its path.
deb() {
	fresh_make deb >"$NBT_DIR/make" 2>&1 || fail "$(<"$NBT_DIR/make")" || return
	echo "$NBT_ROOT/$(tail -n 1 "$NBT_DIR/make")"
}

later_than() {
	[ "$EPOCHSECONDS" -gt "$1" ]
}

@test "make deb: the same bytes each time, the files that are meant, and nothing for lintian" {
	local package
	command -v dpkg-shlibdeps >/dev/null || skip "dpkg-dev is not installed"
	package=$(deb)
	[ "${package##*/}" = "natbridge_$(version)_$(dpkg --print-architecture).deb" ]
	cp "$package" "$NBT_DIR/first.deb"
	wait_for 20 later_than "$EPOCHSECONDS"
	cmp "$NBT_DIR/first.deb" "$(deb)"
	dpkg-deb -x "$package" "$ROOT"
	files "$ROOT" | diff - <({
		echo "755 opt/cni/bin/natbridge"
		echo "755 usr/bin/natbridgectl"
		echo "755 usr/sbin/natbridge-agent"
		echo "644 lib/systemd/system/natbridge-agent.service"
		echo "644 usr/share/man/man5/natbridge-agent.yaml.5.gz"
		echo "644 usr/share/man/man5/natbridge.conflist.5.gz"
		echo "644 usr/share/man/man8/natbridge-agent.8.gz"
		echo "644 usr/share/man/man8/natbridge.8.gz"
		echo "644 usr/share/man/man8/natbridgectl.8.gz"
		echo "644 usr/share/bash-completion/completions/natbridgectl"
		echo "644 usr/share/zsh/vendor-completions/_natbridgectl"
		echo "644 usr/share/lintian/overrides/natbridge"
		echo "644 usr/share/doc/natbridge/copyright"
		echo "644 usr/share/doc/natbridge/changelog.gz"
		documents usr/share/doc/natbridge
	} | sort -k 2)
	[ "$(dpkg-deb -c "$package" | awk '{ print $2 }' | sort -u)" = root/root ]
	# No script runs at install or removal.
	[ "$(dpkg-deb --ctrl-tarfile "$package" | tar -t | sort | paste -sd' ')" = "./ ./control ./md5sums" ]
	for library in libbpf1 libc6 libcjson1 libcurl4 libmicrohttpd12 libmnl0 libnftables1 libyaml-0-2; do
		dpkg-deb -f "$package" Depends | grep -q "$library" || fail "$library: $(dpkg-deb -f "$package" Depends)"
	done
	# Who builds it is its maintainer.
	[ "$(dpkg-deb -f "$(DEBFULLNAME='A Builder' DEBEMAIL=builder@example.org deb)" Maintainer)" = 'A Builder <builder@example.org>' ]
	package=$(deb)
	command -v lintian >/dev/null || skip "lintian is not installed"
	run lintian --allow-root --fail-on error,warning,info -I "$package"
	[ "$status" = 0 ] || fail "$output"
}

# A root directory in which the package's dependencies count as installed.
make_root() {
	local db=$ROOT/var/lib/dpkg
	mkdir -p "$db"/{info,updates,triggers}
	# shellcheck disable=SC2046 # one word for each package
	dpkg-query -s $(dpkg-deb -f "$1" Depends | tr , '\n' | awk '{ print $1 }') >"$db/status"
}

dpkg_in_root() {
	dpkg --root="$ROOT" --log=/dev/null "$@" >"$NBT_DIR/dpkg" 2>&1 || fail "$(<"$NBT_DIR/dpkg")"
}

@test "the package: dpkg installs it, ADD and DEL work, its removal leaves nothing and its pods go on" {
	local package
	command -v dpkg-shlibdeps >/dev/null || skip "dpkg-dev is not installed"
	package=$(deb)
	make_root "$package"
	dpkg_in_root -i "$package"
	dpkg_in_root -V natbridge
	[ "$(dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f '${db:Status-Abbrev}' natbridge)" = "ii " ]
	node_create n
	network_write n net
	installed_works "$ROOT/opt/cni/bin"
	CNI_PATH=$ROOT/opt/cni/bin:$TEST_BIN_DIR pods_up n net c
	CNI_PATH=$ROOT/opt/cni/bin:$TEST_BIN_DIR pods_down n net c
	NATBRIDGECTL=$ROOT/usr/bin/natbridgectl run -0 ctl n service list
	[[ $output = *default/web* ]]

	dpkg_in_root -P natbridge
	[ "$(find "$ROOT" -path "$ROOT/var" -prune -o ! -type d -print)" = "" ]
	[ ! -e "$ROOT/opt/cni" ]
	[ ! -e "$ROOT/usr/share/doc/natbridge" ]
	run -0 ask a tcp 10.96.0.10 80
	assert_answer b "$(pod_ip a 4)"
	pods_down n net a b
	node_assert_clean n
}

# image: makes it and prints its path.
image() {
	fresh_make image IMAGE= >"$NBT_DIR/make" 2>&1 || fail "$(<"$NBT_DIR/make")" || return
	echo "$NBT_ROOT/build/natbridge_$(version)_$(dpkg --print-architecture).image.tar"
}

# image_unpack FILE: the archive to $NBT_DIR/archive, the root file system in it to $ROOT.
image_unpack() {
	mkdir -p "$NBT_DIR/archive" "$ROOT"
	tar -C "$NBT_DIR/archive" -xf "$1"
	tar -C "$ROOT" -xf "$NBT_DIR/archive/$(jq -r '.[0].Layers[0]' "$NBT_DIR/archive/manifest.json")"
}

# blob DIGEST: the JSON of a blob.
blob() {
	cat "$NBT_DIR/archive/blobs/${1/://}"
}

@test "make image: the same bytes each time, the layout of OCI and docker's, programs that run in it, licences" {
	local file digest manifest config library
	command -v dpkg-parsechangelog >/dev/null || skip "dpkg-dev is not installed"
	file=$(image)
	cp "$file" "$NBT_DIR/first.tar"
	wait_for 20 later_than "$EPOCHSECONDS"
	cmp "$NBT_DIR/first.tar" "$(image)"
	image_unpack "$file"
	for digest in "$NBT_DIR"/archive/blobs/sha256/*; do
		[ "$(sha256sum <"$digest" | cut -d ' ' -f 1)" = "${digest##*/}" ] || fail "$digest"
	done
	[ "$(jq -c . "$NBT_DIR/archive/oci-layout")" = '{"imageLayoutVersion":"1.0.0"}' ]
	[ "$(jq -r '.manifests | map(.annotations."io.containerd.image.name") | @tsv' "$NBT_DIR/archive/index.json")" = "localhost/natbridge:$(version)" ]
	manifest=$(blob "$(jq -r '.manifests[0].digest' "$NBT_DIR/archive/index.json")")
	config=$(blob "$(jq -r .config.digest <<<"$manifest")")
	[ "$(jq -c .rootfs.diff_ids <<<"$config")" = "$(jq -c '.layers | map(.digest)' <<<"$manifest")" ]
	[ "$(jq -c '.config | [.Entrypoint, .Env]' <<<"$config")" = '[["/usr/sbin/natbridge-agent"],["PATH=/usr/sbin:/opt/cni/bin"]]' ]
	[ "$(jq -c '.[0] | [.Config, .RepoTags]' "$NBT_DIR/archive/manifest.json")" = \
		"[\"$(jq -r .config.digest <<<"$manifest" | sed 's,^sha256:,blobs/sha256/,')\",[\"localhost/natbridge:$(version)\"]]" ]

	[ "$(chroot "$ROOT" /usr/sbin/natbridge-agent --version)" = "natbridge-agent $(version)" ]
	[ "$(chroot "$ROOT" /opt/cni/bin/natbridgectl version)" = "$("$NBT_BUILD/natbridgectl" version)" ]
	run -0 env CNI_COMMAND=VERSION chroot "$ROOT" /opt/cni/bin/natbridge <<<'{"cniVersion": "1.1.0"}'
	# Nothing but programs, libraries and licences; nothing that others than root may write, or that makes its caller root.
	[ "$(cd "$ROOT" && find . -type f | grep -vE '^\./(usr/sbin/natbridge-agent$|opt/cni/bin/natbridge(ctl$|$|-lib/)|lib|usr/lib|usr/share/(doc|common-licenses)/)')" = "" ]
	[ -z "$(find "$ROOT" ! -type d -perm /6022 -o ! -type f ! -type d -o ! -uid 0 -o ! -gid 0)" ]
	for library in libcurl4 libbpf1 libc6 libcjson1 natbridge/LICENSE; do
		[ -e "$ROOT/usr/share/doc/$library" ] || fail "$library"
	done
	run ! sh -c "grep -rhoE '/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]' '$ROOT/usr/share/doc' | sort -u | while read -r file; do [ -e '$ROOT'\$file ] || echo \$file; done | grep ."
}

@test "natbridgectl install: plugin, tool and their libraries; each file whole, the old one stays after a failure" {
	local to=$NBT_DIR/to name
	image_unpack "$(image)"
	mkdir "$to"
	run -0 "$ROOT/opt/cni/bin/natbridgectl" install "$to"
	[ "${lines[*]: -2}" = "installed $to/natbridge installed $to/natbridgectl" ] || fail "$output"
	diff -r "$ROOT/opt/cni/bin" "$to"
	[ -z "$(find "$to" ! -perm 0755)" ]
	# The libraries beside the programs are those that are used; only the C library is the machine's.
	[ "$(ldd "$to/natbridge" | grep -v "=> $to/natbridge-lib/" | grep -oE 'lib[a-z]*\.so' | sort -u)" = libc.so ] || fail "$(ldd "$to/natbridge")"
	node_create n
	network_write n net
	installed_works "$to"
	CNI_PATH=$to:$TEST_BIN_DIR pods_down n net a b
	node_assert_clean n
	# Over programs that run.
	mkfifo "$NBT_DIR/fifo"
	"$to/natbridgectl" service apply -f "$NBT_DIR/fifo" >/dev/null 2>&1 3>&- &
	run -0 "$ROOT/opt/cni/bin/natbridgectl" -o json install "$to"
	kill $!
	[ "$(jq -r '.[-1].file' <<<"$output")" = "$to/natbridgectl" ] || fail "$output"
	# From where no libraries are packed.
	mkdir "$NBT_DIR/plain"
	run -0 "$NBT_BUILD/natbridgectl" install "$NBT_DIR/plain"
	[ "$(ls "$NBT_DIR/plain")" = $'natbridge\nnatbridgectl' ]

	# No space: the files of before stay, and nothing half.
	mkdir "$NBT_DIR/small"
	mount -t tmpfs -o size=1536k tmpfs "$NBT_DIR/small"
	echo old >"$NBT_DIR/small/natbridgectl"
	run -1 "$ROOT/opt/cni/bin/natbridgectl" install "$NBT_DIR/small"
	name=$(ls -A "$NBT_DIR/small")
	run cat "$NBT_DIR/small/natbridgectl"
	umount "$NBT_DIR/small"
	[ "$output" = old ]
	[ "$name" = $'natbridge-lib\nnatbridgectl' ] || fail "$name"
	rm "$to/natbridge"
	mkdir -p "$to/natbridge/mine"
	run -1 "$ROOT/opt/cni/bin/natbridgectl" install "$to"
	[[ $output = *"cannot write \"$to/natbridge\": Is a directory"* ]] || fail "$output"
	[ ! -e "$to/.natbridge.new" ]
	run -1 "$ROOT/opt/cni/bin/natbridgectl" install "$to/natbridgectl"
	[ "$output" = "natbridgectl: cannot open \"$to/natbridgectl\": Not a directory" ] || fail "$output"
	run -1 "$ROOT/opt/cni/bin/natbridgectl" install "$NBT_DIR/none"
	[ "$output" = "natbridgectl: cannot open \"$NBT_DIR/none\": No such file or directory" ] || fail "$output"
}

# manifests: all objects of packaging/kubernetes, in one list of JSON.
manifests() {
	/usr/bin/python3 -c 'import json, sys, yaml; print(json.dumps([o for file in sys.argv[1:] for o in yaml.safe_load_all(open(file))]))' \
		"$NBT_ROOT"/packaging/kubernetes/*.yaml
}

@test "the manifests: this version's image, rights and role as the code has them, a configuration that the agent takes" {
	local ports
	manifests >"$NBT_DIR/manifests"
	[ "$(jq -r 'map(.kind) | join(" ")' "$NBT_DIR/manifests")" = "ServiceAccount ClusterRole ClusterRoleBinding ConfigMap DaemonSet Job" ]
	[ "$(jq -r '[.. | .image? // empty] | unique[]' "$NBT_DIR/manifests")" = "localhost/natbridge:$(version)" ]
	# Every container: no other rights, a read-only root, a filter of system calls.
	[ "$(jq -c '[.. | objects | .containers?, .initContainers? | arrays[] | .securityContext
		| [.capabilities.drop, .allowPrivilegeEscalation, .readOnlyRootFilesystem, .seccompProfile.type, .privileged]] | unique' "$NBT_DIR/manifests")" = \
		'[[["ALL"],false,true,"RuntimeDefault",null]]' ]
	# The agent's rights are those of the unit.
	[ "$(jq -r '[.[] | .spec.template.spec.containers[]?.securityContext.capabilities.add | map("CAP_" + .) | join(" ")] | unique[]' "$NBT_DIR/manifests")" = \
		"$(sed -n 's/^CapabilityBoundingSet=//p' "$NBT_ROOT/packaging/systemd/natbridge-agent.service")" ]
	# What the agent follows, as "GROUP/RESOURCE", and by which verbs: a list, a watch.
	[ "$(jq -r '.[] | select(.kind == "ClusterRole") | .rules[] | .apiGroups[] as $group | .resources[] as $one | "\($group)/\($one) \(.verbs | sort | join(" "))"' \
		"$NBT_DIR/manifests" | sort)" = "$(grep -oE '"/apis?/[a-z0-9./]*"' "$NBT_ROOT/agent/cluster.c" |
		sed -E 's,^"/api/v1/,/,; s,^"/apis/([^/]*)/[^/]*/,\1/,; s,"$, list watch,' | sort)" ]
	jq -r '.[] | select(.kind == "ConfigMap") | .data."agent.yaml"' "$NBT_DIR/manifests" >"$NBT_DIR/agent.yaml"
	run -0 "$NBT_BUILD/natbridge-agent" --config "$NBT_DIR/agent.yaml" --version
	# The kubelet asks where the agent listens.
	ports=$(jq -r '.[] | .spec.template.spec.containers[]? | .readinessProbe, .livenessProbe | .httpGet? // empty | "\(.host):\(.port)"' "$NBT_DIR/manifests" | sort)
	[ "$ports" = "$(sed -n 's/.*BindAddress: //p' "$NBT_DIR/agent.yaml" | sort)" ] || fail "$ports"
}
