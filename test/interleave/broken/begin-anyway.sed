# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair becomes a connection although another CPU goes on with its tuple.
# file: include/natbridge/conn_pair.h
# run: insert two insert
/^static __always_inline int nb_pair_begin/,/^}/s/return nb_use_is_undecided(nb_life_use(life)) &&/return/
