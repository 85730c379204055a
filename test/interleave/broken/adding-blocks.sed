# SPDX-License-Identifier: GPL-2.0-or-later
#
# No packet uses a connection that userspace is about to enter.
# file: bpf/ebpf/conntrack.h
# run: flush a process was killed
s/(pkt->has_waited && nb_use_is_undecided(use))/(pkt->has_waited \&\& use == NB_USE_NEW)/
