# SPDX-License-Identifier: GPL-2.0-or-later
#
# A CPU that has inserted a tuple does not look whether another one has as well.
# file: include/natbridge/conn_index.h
# run: insert two insert
s/other = nb_index_find(table, key, hash, word);/other = NB_INDEX_NONE;/
