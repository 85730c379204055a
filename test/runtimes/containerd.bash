# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A containerd inside node n, with all of its files in $NBT_DIR.

# Its CNI paths are the defaults, which inside.bash has made.
containerd_begin() {
	local log=$NBT_DIR/containerd.log
	cat >"$NBT_DIR/containerd.toml" <<-END
		version = 2
		root = "$NBT_DIR/containerd/root"
		state = "$NBT_DIR/containerd/state"
		[grpc]
		  address = "$NBT_DIR/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "$(image_name pause)"
		  disable_apparmor = true
		  # Root may lack CAP_SYS_RESOURCE.
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    snapshotter = "native"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/opt/cni/bin"
		    conf_dir = "/etc/cni/net.d"
	END
	inside containerd --config "$NBT_DIR/containerd.toml" >"$log" 2>&1 3>&- &
	disown
	wait_for 30 containerd_ready || fail "containerd does not start:" "$(tail -n 20 "$log")"
}

containerd_ready() {
	ctr_in "$NBT" version >/dev/null 2>&1
}

# ctr_in CONTAINERD-NAMESPACE ARGUMENT...
ctr_in() {
	local namespace=$1
	shift
	inside ctr --address "$NBT_DIR/containerd.sock" --namespace "$namespace" "$@"
}

# image_import CONTAINERD-NAMESPACE NAME
image_import() {
	ctr_in "$1" image import --snapshotter native "$(image_make "$2")" >/dev/null
}
