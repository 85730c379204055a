# SPDX-License-Identifier: GPL-2.0-or-later
#
# A packet reads the state of its flow after the key alone.
# file: bpf/assist/flow.h
# run: flow written
s/	before.word = READ_ONCE(\*nb_flow_state_of(ref->flow));/	before.gen = READ_ONCE(ref->flow->gen);/;s/|| before.gen \& 1)/)/;s/if (after.gen != before.gen)/if (0)/
