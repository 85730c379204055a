# SPDX-License-Identifier: GPL-2.0-or-later
#
# The owner of a pair leaves the life of the backend's entry as it was.
# file: include/natbridge/conn_pair.h
# run: translate an answer
/^static __always_inline void nb_pair_void/,/^}/s/__sync_lock_test_and_set(.*/(void)life;/
