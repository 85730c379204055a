# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair that has lost its tuple to another CPU makes that CPU lose it as well.
# file: include/natbridge/conn_index.h
# run: flush userspace brings
/^static __always_inline int nb_pair_yields/,/^}/ s/nb_load(&own->conn.life)) == NB_USE_NEW/nb_load(\&own->conn.life)) != NB_USE_ADDING/
