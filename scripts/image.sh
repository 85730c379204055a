#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a container image of what is built: build/natbridge_VERSION_ARCH.image.tar, with the tag $IMAGE, by default
# localhost/natbridge:VERSION. "make image" calls it after the build. The image has no base: the three programs, the libraries that
# they are linked with or load, and the loader, all of this machine, and the licences of all of it. Needs no root, registry or network. Two
# runs over the same sources and libraries give the same bytes: times are those of $SOURCE_DATE_EPOCH, by default of the newest entry
# of packaging/deb/changelog.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC
# shellcheck source=scripts/image-archive.bash
. scripts/image-archive.bash

WORK=build/image
ROOT=$WORK/root
PLUGINS=opt/cni/bin
LICENCES=/usr/share/common-licenses

die() {
	echo "image: $*" >&2
	exit 1
}

for tool in dpkg-query dpkg-parsechangelog jq ldd strip tar; do
	command -v $tool >/dev/null || die "$tool is missing; run: sudo make deps"
done

version=$(sed -n 's/.*NB_VERSION "\(.*\)"/\1/p' include/natbridge/version.h)
tag=${IMAGE:-localhost/natbridge:$version}
[[ ${tag##*/} = ?*:?* ]] || die "IMAGE \"$tag\" has no tag: append :$version"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(dpkg-parsechangelog -l packaging/deb/changelog -S Timestamp)}

# program FILE DIR
program() {
	install -D -m 0755 -t "$ROOT/$2" "build/$1"
	strip --strip-unneeded --remove-section=.comment --remove-section=.note "$ROOT/$2/${1##*/}"
}

# linked FILE...: what these programs are linked with: paths of libraries, and of the loader.
linked() {
	ldd "$@" | awk '/=> not found/ { exit 1 } $2 == "=>" { print $3 } $1 ~ /^\// && NF == 2 { print $1 }' | sort -u
}

# owners_read FILE...: fills owner, the Debian packages by their files. A package has a file with /usr before it, or without.
declare -A owner=()
owners_read() {
	local package file
	while read -r package file; do
		owner[$file]=${package%%:*}
	done < <(realpath "$@" | sed 'p; s,^/usr,,' | sort -u | xargs dpkg-query -S 2>/dev/null)
}

# package_of FILE
package_of() {
	local file
	file=$(realpath "$1")
	echo "${owner[$file]:-${owner[${file#/usr}]:-}}"
}

# The licences of the libraries, and the common ones that they refer to.
licences() {
	local file package doc=$ROOT/usr/share/doc
	install -D -m 0644 -t "$doc/natbridge" LICENSE
	install -D -m 0644 -t "$doc/natbridge/LICENSES" LICENSES/*
	for file in "$@"; do
		package=$(package_of "$file")
		[ -n "$package" ] || die "$file belongs to no package: its licence is not known"
		install -D -m 0644 -t "$doc/$package" "/usr/share/doc/$package/copyright"
	done
	cat "$doc"/*/copyright | grep -oE "$LICENCES/[A-Za-z0-9.-]*[A-Za-z0-9]" | sort -u | while read -r file; do
		install -D -m 0644 "$file" "$ROOT$file"
	done
}

rm -rf "$WORK"
program natbridge-agent usr/sbin
program portable/natbridgectl $PLUGINS
program portable/natbridge $PLUGINS
# The agent loads it when it takes a node over (lib/firewall/nft.c).
nftables=$(ldconfig -p | awk '$1 == "libnftables.so.1" && !n++ { print $NF }')
[ -n "$nftables" ] || die "libnftables.so.1 is missing; run: sudo make deps"
libraries=$(linked build/natbridge-agent build/portable/* "$nftables" && echo "$nftables") ||
	die "a library is missing: run ldd build/natbridge-agent"
libraries=$(sort -u <<<"$libraries")
# shellcheck disable=SC2086 # one word for each, here and below
owners_read $libraries
for library in $libraries; do
	install -D -m 0755 "$library" "$ROOT$library"
done
# What "natbridgectl install" copies: all but the C library, which comes with its loader.
for library in $(linked build/portable/*); do
	[ "$(package_of "$library")" = libc6 ] || install -D -m 0644 -t "$ROOT/$PLUGINS/natbridge-lib" "$library"
done
# shellcheck disable=SC2086
licences $libraries
file=build/natbridge_${version}_$(image_architecture).image.tar
image_archive "$ROOT" "$file" "$(jq -n --arg version "$version" '{
	Entrypoint: ["/usr/sbin/natbridge-agent"], WorkingDir: "/", Env: ["PATH=/usr/sbin:/opt/cni/bin"],
	Labels: {"org.opencontainers.image.title": "natbridge", "org.opencontainers.image.version": $version,
		"org.opencontainers.image.licenses": "GPL-2.0-or-later"}}')" "$tag"
rm -rf "$WORK"
echo "$file: $tag, $(($(stat -c %s "$file") / 1000000)) MB"
