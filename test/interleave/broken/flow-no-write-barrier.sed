# SPDX-License-Identifier: GPL-2.0-or-later
#
# A flow is written without barriers.
# file: bpf/assist/flow.h
# run: flow written
s/	__sync_lock_test_and_set(nb_flow_state_of(flow), \(.*\));/	WRITE_ONCE(*nb_flow_state_of(flow), \1);/
