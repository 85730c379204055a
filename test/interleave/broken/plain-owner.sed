# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair changes its owner by a load and a store.
# file: bpf/ebpf/conn_table.h
# run: evict one pair
s/return __sync_val_compare_and_swap(&pair->dir\[0\].conn.use, from, to) == from;/return pair->dir[0].conn.use == from \&\& (pair->dir[0].conn.use = to, 1);/
