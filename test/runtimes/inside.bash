# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Node n from the inside: a process namespace, so that all of it ends with its first process, and mounts that only it sees. /etc,
# /opt and /var/lib are writable copies, /run and /dev/shm are empty, and the CNI paths are those of any node: /opt/cni/bin,
# /etc/cni/net.d, /var/lib/cni and /sys/fs/bpf. Only $NBT_DIR is shared with the machine. Part of lib.bash.

# Starts the first process of the node, which reaps what other processes leave behind.
inside_begin() {
	local parent log=$NBT_DIR/inside.log
	mkdir -p "$NBT_DIR"/{cni-bin,overlay,tools,tmp}
	cp "$NBT_BUILD/natbridge" "$TEST_BIN_DIR"/{host-local,loopback,portmap} "$NBT_DIR/cni-bin/"
	: >"$log"
	inside_first bash -c "$(declare -f inside_mounts inside_overlay)
		set -e
		inside_mounts
		echo ready
		sleep infinity & wait" >"$log" 2>&1 3>&- &
	parent=$!
	disown
	wait_for 30 grep -q ready "$log" || fail "$(<"$log")"
	pgrep -P "$parent" >"$NBT_DIR/inside.pid"
}

# Ends every process inside, and takes away the cgroups that the runtimes leave.
inside_end() {
	[ -e "$NBT_DIR/inside.pid" ] || return 0
	kill -KILL "$(<"$NBT_DIR/inside.pid")" 2>/dev/null || true
	wait_for 30 inside_over || true
	cgroups_remove
}

inside_over() {
	! kill -0 "$(<"$NBT_DIR/inside.pid")" 2>/dev/null
}

# In the background only: the shell becomes unshare, whose only child is the first process.
inside_first() {
	export TEST_BIN_DIR
	exec nsenter "--net=$(ns_path n)" unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$@"
}

# inside COMMAND...: with nothing of the caller's environment, which might name other daemons and files.
inside() {
	nsenter --target "$(<"$NBT_DIR/inside.pid")" --mount --net --pid -- \
		env -i PATH="$NBT_DIR/tools:$PATH" HOME="$NBT_DIR/tmp" TMPDIR="$NBT_DIR/tmp" LC_ALL=C "$@"
}

inside_mounts() {
	local node=$NBT_DIR/node-n dir
	# What others have there, which comes and goes.
	awk '$2 ~ "^/run/" && index($2, ENVIRON["NBT_DIR"]) != 1 { print $2 }' /proc/mounts | tac | while read -r dir; do
		umount --lazy "$dir" 2>/dev/null || true
	done
	mount -t tmpfs tmpfs "$NBT_DIR/overlay"
	mount --bind "$TEST_BIN_DIR" "$NBT_DIR/tools"
	for dir in etc opt var/lib; do
		inside_overlay "$dir"
	done
	# By this way the directory is found, though /run will be another one.
	cd "$NBT_DIR" || return
	mount -t tmpfs tmpfs /run
	mkdir -p "$NBT_DIR" /run/netns
	mount --bind /run/netns /run/netns
	mount --no-canonicalize --rbind . "$NBT_DIR"
	mount -t tmpfs tmpfs /dev/shm
	mount --bind "$node/bpf" /sys/fs/bpf
	rm -rf /etc/cni /opt/cni /var/lib/cni
	mkdir -p /etc/cni /opt/cni /var/lib/cni
	ln -s "$node/net.d" /etc/cni/net.d
	ln -s "$NBT_DIR/cni-bin" /opt/cni/bin
	mount --bind "$node/cni" /var/lib/cni
}

inside_overlay() {
	local upper=$NBT_DIR/overlay/$1/upper work=$NBT_DIR/overlay/$1/work
	mkdir -p "$upper" "$work"
	mount -t overlay overlay -o "lowerdir=/$1,upperdir=$upper,workdir=$work" "/$1"
}

# Whether this machine allows all that: tried in a mount namespace that is gone at once.
inside_possible() {
	mkdir -p "$NBT_DIR/overlay"
	unshare --mount --propagation private bash -c "$(declare -f inside_overlay)
		set -e
		mount -t tmpfs tmpfs '$NBT_DIR/overlay'
		inside_overlay opt"
}

# Processes, mounts and network namespaces of the node, its own included.
inside_state() {
	echo "processes $(inside ps -e | wc -l)"
	echo "mounts $(inside cat /proc/mounts | grep -c ' /\(run\|var\)/')"
	echo "namespaces $(inside sh -c 'ls /run/netns 2>/dev/null' | wc -l)"
}

# ---- cgroups: every runtime is told to put its containers below /$NBT --------------------------------------------------------

cgroups_remove() {
	local dir
	find /sys/fs/cgroup -maxdepth 2 -type d -name "$NBT" 2>/dev/null | while read -r dir; do
		find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
}
