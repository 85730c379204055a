# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair keeps its generation when it gets another connection.
# file: include/natbridge/conn_pair.h
# run: translate an answer
s/nb_life_with_use(nb_life_next(old), use)/nb_life_with_use(old, use)/
