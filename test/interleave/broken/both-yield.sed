# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of two that enter a tuple each makes the other one give up.
# file: include/natbridge/conn_index.h
# run: insert two insert
s/ || other < mine)/)/
