# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair is taken from its connection while the index still leads to it.
# file: bpf/ebpf/conn_evict.h
# run: evict two connections
s/nb_pair_leave(pair, pair_id);/(void)pair_id;/
