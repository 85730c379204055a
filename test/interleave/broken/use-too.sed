# SPDX-License-Identifier: GPL-2.0-or-later
#
# A key is taken for none if its pair becomes a connection meanwhile.
# file: include/natbridge/conn_index.h
# run: insert two insert
s/return !nb_life_same_gen(life, now) || nb_entry_counts(table, entry_id, now);/return nb_life_same(life, now) \&\& nb_entry_counts(table, entry_id, now);/
