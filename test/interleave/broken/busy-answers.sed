# SPDX-License-Identifier: GPL-2.0-or-later
#
# An answer behind the host is translated by a pair that may be in the middle of being filled.
# file: bpf/ebpf/conn_reply.h
# run: translate an answer through
/^static __always_inline int nb_reply_receive/,/^}/ { /if (!nb_conn_is_usable/,+1d }
