# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair becomes a connection although another CPU goes on with its tuple.
# file: include/natbridge/conn_pair.h
# run: insert two insert
/^static __always_inline int nb_pair_begin/,/^}/{s/return (use == NB_USE_NEW.*/(void)use;/;s/nb_change(&pair->dir\[0\].conn.life, life, nb_life_with_use(life, NB_USE_TAKEN));/;/;s/^\t       ;/\tnb_store_word(\&pair->dir[0].conn.life, nb_life_with_use(life, NB_USE_TAKEN));\n\treturn 1;/}
