# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pair is published before what was written into it.
# file: include/natbridge/conn_pair.h
# run: translate an answer
s/nb_write_barrier();//
