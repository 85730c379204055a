# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Container images by tar and jq, for scripts/image.sh and test/kubernetes/images.

# image_archive ROOT FILE CONFIG TAG...: writes FILE, an image with one layer, the tree ROOT. The archive is an OCI layout, with
# the manifest.json of docker's older format beside it: containerd, podman and docker import it. CONFIG is the JSON of the image's
# "config" (entry point, environment, labels). Times are $SOURCE_DATE_EPOCH, by default 0, so that the same tree makes the same
# bytes. FILE is replaced whole. Needs the space of two copies of ROOT beside FILE.
image_archive() {
	local file=$2 dir status=0
	dir=$(mktemp -d "$file.XXXXXX") || return
	image_fill "$dir" "$1" "${@:3}" && image_tar "$dir" >"$file.new" && mv "$file.new" "$file" || status=1
	rm -rf "$dir" "$file.new"
	return $status
}

# image_fill DIR ROOT CONFIG TAG...: what the archive holds.
image_fill() {
	local layer
	mkdir -p "$1/blobs/sha256" && image_tar "$2" >"$1/new" && layer=$(image_blob "$1") && image_documents "$1" "$layer" "${@:3}"
}

# image_tar DIR: its tree to standard output, always the same for the same tree.
image_tar() {
	(cd "$1" && tar --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -cf - -- *)
}

# image_blob DIR: gives the file "new" there the name that it has as a blob, and prints its digest in hexadecimal.
image_blob() {
	local digest
	digest=$(sha256sum <"$1/new") && digest=${digest%% *} && mv "$1/new" "$1/blobs/sha256/$digest" && echo "$digest"
}

# image_reference DIR DIGEST TYPE: the descriptor of a blob, as JSON.
image_reference() {
	jq -nc --arg type "application/vnd.oci.image.$3+json" --arg digest "sha256:$2" --argjson size "$(stat -c %s "$1/blobs/sha256/$2")" \
		'{mediaType: $type, digest: $digest, size: $size}'
}

# image_documents DIR LAYER CONFIG TAG...: all that describes the layer.
image_documents() {
	local dir=$1 layer=$2 settings=$3 config manifest reference
	shift 3
	jq -n --argjson settings "$settings" --arg layer "sha256:$layer" --arg arch "$(image_architecture)" --argjson time "${SOURCE_DATE_EPOCH:-0}" '{
		created: ($time | todate), architecture: $arch, os: "linux", config: $settings,
		rootfs: {type: "layers", diff_ids: [$layer]}, history: [{created: ($time | todate)}]
	}' >"$dir/new" && config=$(image_blob "$dir") || return
	reference=$(image_reference "$dir" "$config" config.v1) || return
	jq -n --argjson config "$reference" --arg layer "sha256:$layer" --argjson size "$(stat -c %s "$dir/blobs/sha256/$layer")" '{
		schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: $config,
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $layer, size: $size}]
	}' >"$dir/new" && manifest=$(image_blob "$dir") || return
	reference=$(image_reference "$dir" "$manifest" manifest.v1) || return
	jq -n --argjson manifest "$reference" '{
		schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$ARGS.positional[] as $tag | $manifest + {
			annotations: {"io.containerd.image.name": $tag, "org.opencontainers.image.ref.name": ($tag | sub(".*:"; ""))}}]
	}' --args "$@" >"$dir/index.json" &&
		jq -n '{imageLayoutVersion: "1.0.0"}' >"$dir/oci-layout" &&
		jq -n --arg config "blobs/sha256/$config" --arg layer "blobs/sha256/$layer" \
			'[{Config: $config, RepoTags: $ARGS.positional, Layers: [$layer]}]' --args "$@" >"$dir/manifest.json"
}

# As Go calls this machine's architecture.
image_architecture() {
	case $(uname -m) in
	x86_64) echo amd64 ;;
	aarch64) echo arm64 ;;
	*) uname -m ;;
	esac
}
