# SPDX-License-Identifier: GPL-2.0-or-later
#
# A life says that a pair has a connection before that is written.
# file: include/natbridge/conn_pair.h
# run: translate an answer
s/^\tnb_entry_fill(&pair->dir\[0\], &client->key, &client->conn, life);/\tnb_store_word(\&pair->dir[1].conn.life, nb_life_with_use(life, NB_USE_TAKEN));\n&/
