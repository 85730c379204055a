# SPDX-License-Identifier: GPL-2.0-or-later
#
# No barrier stands between what is read of an entry and the second look at its life.
# file: bpf/ebpf/nat.h
# run: translate an answer
/^static __always_inline bool nb_nat_is_valid/,/^}/ { /nb_read_barrier();/d }
