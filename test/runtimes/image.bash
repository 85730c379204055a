# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the containers run: an image of nothing but a static busybox, made here, so that no registry is needed. Part of lib.bash.

# image_command NAME: what it runs, a word a line.
image_command() {
	case $1 in
	web) printf '%s\n' /bin/httpd -f -p 8080 -h /www ;;
	pause) printf '%s\n' /bin/sleep infinity ;;
	probe) printf '%s\n' /bin/echo fine ;;
	esac
}

# rootfs_make DIR: a web server says "web ADDRESS", the address being that of its client, at /cgi-bin/who.
rootfs_make() {
	local dir=$1 applet
	mkdir -p "$dir"/{bin,dev,etc,proc,sys,tmp,www/cgi-bin}
	cp "$(command -v busybox)" "$dir/bin/busybox"
	for applet in sh cat echo httpd ip sleep timeout wget; do
		ln -sf busybox "$dir/bin/$applet"
	done
	cat >"$dir/www/cgi-bin/who" <<-'END'
		#!/bin/sh
		address=${REMOTE_ADDR#[}
		address=${address%]}
		printf 'Content-Type: text/plain\r\n\r\nweb %s\n' "${address#::ffff:}"
	END
	chmod 0755 "$dir/www/cgi-bin/who"
}

# image_make NAME: prints the name of an archive, in docker's format, that ctr and podman both take.
image_make() {
	local name=$1 dir=$NBT_DIR/image-$1 id
	mkdir -p "$dir/archive"
	rootfs_make "$dir/root"
	tar -C "$dir/root" --owner=0 --group=0 -cf "$dir/archive/layer.tar" .
	jq -n --arg layer "sha256:$(sha256sum <"$dir/archive/layer.tar" | cut -d ' ' -f 1)" --arg arch "$(dpkg --print-architecture)" \
		--arg command "$(image_command "$name")" '{
		architecture: $arch, os: "linux", rootfs: {type: "layers", diff_ids: [$layer]},
		config: {Cmd: ($command | split("\n")), Env: ["PATH=/bin"]}
	}' >"$dir/config"
	id=$(sha256sum <"$dir/config" | cut -d ' ' -f 1)
	mv "$dir/config" "$dir/archive/$id.json"
	jq -n --arg config "$id.json" --arg tag "$(image_name "$name")" '[{Config: $config, RepoTags: [$tag], Layers: ["layer.tar"]}]' \
		>"$dir/archive/manifest.json"
	tar -C "$dir/archive" -cf "$dir.tar" .
	echo "$dir.tar"
}

image_name() {
	echo "localhost/$1:test"
}

# bundle_make DIR NAME [NETNS]: the same for runc itself, in a network namespace that is there already or in one of its own.
bundle_make() {
	local dir=$1 name=$2 netns=${3:-}
	mkdir -p "$dir"
	rootfs_make "$dir/rootfs"
	(cd "$dir" && rm -f config.json && runc spec)
	jq --arg netns "$netns" --arg cgroup "/$NBT/${dir##*/}" --arg command "$(image_command "$name")" '
		.process += {args: ($command | split("\n")), terminal: false, env: ["PATH=/bin"], rlimits: []}
		| .root.readonly = true | .linux.cgroupsPath = $cgroup
		| (.linux.namespaces[] | select(.type == "network")) += (if $netns == "" then {} else {path: $netns} end)
	' <"$dir/config.json" >"$dir/config.new"
	mv "$dir/config.new" "$dir/config.json"
}

# Whether runc can start a container on this machine: namespaces, cgroups, mounts.
runc_possible() {
	local dir=$NBT_DIR/bundle-probe status=0
	bundle_make "$dir" probe
	runc --root "$NBT_DIR/runc-probe" run --bundle "$dir" "$NBT-probe" || status=$?
	cgroups_remove
	return $status
}
