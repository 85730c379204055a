# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Waiting for a condition, and failing with a reason. Part of lib.bash, and of the tests with Kubernetes.

# wait_for SECONDS COMMAND...: until it succeeds. Tries every $WAIT_STEP seconds (0.05).
wait_for() {
	local until=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$until" ] || {
			echo "timed out: $*" >&2
			return 1
		}
		sleep "${WAIT_STEP:-0.05}"
	done
}

fail() {
	printf '%s\n' "$@" >&2
	return 1
}
