# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of two that enter a tuple each gives way to the other.
# file: include/natbridge/conn_index.h
# run: insert two insert
s/nb_life_use(life) != NB_USE_NEW || other < mine/nb_life_use(life) != NB_USE_BUSY/
