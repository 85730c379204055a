#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a container image of what is built: build/natbridge_VERSION_ARCH.image.tar, with the tag $IMAGE, by default
# localhost/natbridge:VERSION. "make image" calls it after the build. The image has no base: the three programs, the libraries that
# they are linked with and the loader, all of this machine, and the licences of all of it. Needs no root, no registry and no
# network. Two runs over the same sources and libraries give the same bytes: times are those of $SOURCE_DATE_EPOCH, by default of
# the newest entry of packaging/deb/changelog.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC
# shellcheck source=scripts/image-archive.bash
. scripts/image-archive.bash

WORK=build/image
ROOT=$WORK/root
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

# program NAME DIR
program() {
	install -D -m 0755 "build/$1" "$ROOT/$2/$1"
	strip --strip-unneeded --remove-section=.comment --remove-section=.note "$ROOT/$2/$1"
}

# What the programs in the image are linked with: paths of libraries, and of the loader.
libraries() {
	find "$ROOT" -type f -exec ldd {} + | awk '/=> not found/ { exit 1 } $2 == "=>" { print $3 } $1 ~ /^\// && NF == 2 && $1 !~ /:$/ { print $1 }' | sort -u
}

# package_of LIBRARY: the Debian package of a file, by the name that the package has for it.
package_of() {
	local path
	path=$(realpath "$1")
	dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "${path#/usr}" 2>/dev/null || die "$1 belongs to no package: its licence is not known"
}

# The licences of the libraries, and the common ones that they refer to.
licences() {
	local library package doc=$ROOT/usr/share/doc
	install -D -m 0644 -t "$doc/natbridge" LICENSE
	install -D -m 0644 -t "$doc/natbridge/LICENSES" LICENSES/*
	for library in "$@"; do
		package=$(package_of "$library")
		package=${package%%:*}
		install -D -m 0644 "/usr/share/doc/$package/copyright" "$doc/$package/copyright"
	done
	cat "$doc"/*/copyright | grep -oE "$LICENCES/[A-Za-z0-9.-]*[A-Za-z0-9]" | sort -u | while read -r library; do
		install -D -m 0644 "$library" "$ROOT$library"
	done
}

rm -rf "$WORK"
program natbridge-agent usr/sbin
program natbridgectl usr/bin
program natbridge opt/cni/bin
libraries=$(libraries) || die "a library is missing: run ldd build/natbridge-agent"
for library in $libraries; do
	install -D -m 0755 "$library" "$ROOT$library"
done
# shellcheck disable=SC2086 # one word for each
licences $libraries
file=build/natbridge_${version}_$(image_architecture).image.tar
image_archive "$ROOT" "$file" "$(jq -n --arg version "$version" '{
	Entrypoint: ["/usr/sbin/natbridge-agent"], WorkingDir: "/", Env: ["PATH=/usr/sbin:/usr/bin"],
	Labels: {"org.opencontainers.image.title": "natbridge", "org.opencontainers.image.version": $version,
		"org.opencontainers.image.licenses": "GPL-2.0-or-later"}}')" "$tag"
rm -rf "$WORK"
echo "$file: $tag, $(($(stat -c %s "$file") / 1000000)) MB"
