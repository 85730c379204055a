/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_SOCKADDR_H
#define NATBRIDGE_LIB_UTIL_SOCKADDR_H

/* Addresses as sockets take them: sockaddr_in of IPv4, sockaddr_in6 of IPv6. */

#include <sys/socket.h>

#include <natbridge/abi.h>

/* Fills *to, and returns the length that counts of it. */
socklen_t nb_sockaddr_fill(const struct nb_addr *addr, __be16 port, struct sockaddr_storage *to);

/* The port of one that was filled so, or by the kernel. */
__be16 nb_sockaddr_port(const struct sockaddr_storage *from);

#endif
