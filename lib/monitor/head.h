/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MONITOR_HEAD_H
#define NATBRIDGE_LIB_MONITOR_HEAD_H

/* What a packet's first bytes say, for events of packets that the program dropped before it read them. */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

/*
 * Reads an Ethernet frame of which len bytes are there: addresses and protocol, and the ports of TCP, UDP and
 * SCTP if they follow the IP header. False: it is no IP packet, or its header is not there; *tuple untouched.
 */
bool nb_head_tuple(const unsigned char *head, size_t len, struct nb_tuple *tuple);

#endif
