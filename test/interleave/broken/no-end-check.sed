# SPDX-License-Identifier: GPL-2.0-or-later
#
# A packet is written without a second look at the life of its entry.
# file: bpf/ebpf/nat.h
# run: translate an answer
s/return nb_life_same(nb_load(&nat->conn->life), nat->pkt->life) &&/return true \&\&/
