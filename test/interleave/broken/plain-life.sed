# SPDX-License-Identifier: GPL-2.0-or-later
#
# A life is changed by a load and a store instead of a compare and swap.
# file: include/natbridge/conn_index.h
# run: evict two connections
s/return __sync_val_compare_and_swap(word, from, to) == from;/return nb_load(word) == from \&\& (nb_store_word(word, to), 1);/
