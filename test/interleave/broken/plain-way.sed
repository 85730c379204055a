# SPDX-License-Identifier: GPL-2.0-or-later
#
# A way is taken by a load and a store instead of a compare and swap.
# file: include/natbridge/conn_index.h
# run: insert two insert
s/__sync_val_compare_and_swap(&set->ways\[way\], from, to) == from/set->ways[way] == from \&\& (set->ways[way] = to, 1)/
