# SPDX-License-Identifier: GPL-2.0-or-later
#
# The state of a flow is changed by a load and a store.
# file: bpf/assist/flow.h
# run: flow late FIN
s/	state->word = __sync_val_compare_and_swap(nb_flow_state_of(ref->flow), old, next.word);/	WRITE_ONCE(*nb_flow_state_of(ref->flow), next.word);/
