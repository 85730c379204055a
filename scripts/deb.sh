#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a Debian package of what is built: build/natbridge_VERSION_ARCH.deb. "make deb" calls it after the build; what goes in is
# what "make install" installs. Needs no root. Two runs over the same sources give the same bytes: times are those of
# $SOURCE_DATE_EPOCH, by default of the newest entry of packaging/deb/changelog. $DEBFULLNAME and $DEBEMAIL, as Debian's own tools
# read them, are the package's maintainer.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC

SOURCES=packaging/deb
WORK=build/deb
ROOT=$WORK/root
DOC=$ROOT/usr/share/doc/natbridge

die() {
	echo "deb: $*" >&2
	exit 1
}

for tool in dpkg-deb dpkg-shlibdeps dpkg-gencontrol dpkg-parsechangelog strip; do
	command -v $tool >/dev/null || die "$tool is missing; run: sudo make deps"
done

changelog() {
	dpkg-parsechangelog -l "$SOURCES/changelog" -S "$1"
}

version=$(changelog Version)
built=$(sed -n 's/.*NB_VERSION "\(.*\)"/\1/p' include/natbridge/version.h)
[ "$version" = "$built" ] || die "$SOURCES/changelog begins with $version, but the programs are $built"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(changelog Timestamp)}
package=build/natbridge_${version}_$(dpkg --print-architecture).deb

# The control file has no address that works, since the project has none: who builds a package to hand on is its maintainer.
maintainer=$(sed -n 's/^Maintainer: //p' "$SOURCES/control")
[ -z "${DEBEMAIL:-}" ] || maintainer="${DEBFULLNAME:-${maintainer% <*}} <$DEBEMAIL>"
[[ $maintainer != *.invalid'>' ]] || echo "deb: the maintainer's address is a placeholder: set DEBFULLNAME and DEBEMAIL" >&2

install_files() {
	rm -rf "$WORK"
	make -s install DESTDIR="$ROOT" PREFIX=/usr CNI_BIN_DIR=/opt/cni/bin SYSTEMD_DIR=/lib/systemd/system \
		ZSH_COMPLETION_DIR=/usr/share/zsh/vendor-completions
	strip --strip-unneeded --remove-section=.comment --remove-section=.note "$ROOT/opt/cni/bin/natbridge" "$ROOT/usr/bin/natbridgectl" \
		"$ROOT/usr/sbin/natbridge-agent"
	gzip -9n "$ROOT"/usr/share/man/man?/*
	rm -r "$DOC/LICENSE" "$DOC/LICENSES" # copyright says the same
	install -m 0644 "$SOURCES/copyright" "$DOC/copyright"
	grep -v '^# SPDX' "$SOURCES/changelog" | gzip -9n >"$DOC/changelog.gz"
	install -D -m 0644 "$SOURCES/lintian-overrides" "$ROOT/usr/share/lintian/overrides/natbridge"
}

# Both tools read debian/control and debian/changelog below where they run.
write_control() {
	mkdir -p "$WORK/debian" "$ROOT/DEBIAN"
	cp "$SOURCES/control" "$SOURCES/changelog" "$WORK/debian/"
	(cd "$WORK" && dpkg-shlibdeps -Tsubstvars root/opt/cni/bin/natbridge root/usr/bin/natbridgectl root/usr/sbin/natbridge-agent &&
		dpkg-gencontrol -Tsubstvars -fdebian/files -Proot -DMaintainer="$maintainer")
	(cd "$ROOT" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | sort | xargs md5sum >DEBIAN/md5sums)
}

install_files
write_control
find "$ROOT" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$ROOT" "$package" >/dev/null
rm -rf "$WORK"
echo "$package"
