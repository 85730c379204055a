/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_SYSCTL_H
#define NATBRIDGE_LIB_NET_SYSCTL_H

/*
 * Files below /proc/sys. What stands under net/ belongs to the network namespace of the calling thread: use
 * nb_netns_run() for another one.
 */

#include <stddef.h>

#include "lib/util/error.h"

/* Reads name ("net/ipv4/ip_forward") without its newline into buf[size]. -ENOENT: the kernel has none. */
int nb_sysctl_read(const char *name, char *buf, size_t size, struct nb_error *err);

/* Sets name to value. Nothing is written if it has that value already (/proc/sys may be read-only then). */
int nb_sysctl_write(const char *name, const char *value, struct nb_error *err);

/* Whether nb_sysctl_write() can work. Writes nothing. */
int nb_sysctl_probe(const char *name, const char *value, struct nb_error *err);

/*
 * Per-link values: net/<family>/conf/<ifname>/<key>, family "ipv4" or "ipv6". ifname must be valid
 * (nb_ifname_valid()).
 */
int nb_sysctl_link_read(const char *family, const char *ifname, const char *key, char *buf, size_t size,
			struct nb_error *err);
int nb_sysctl_link_write(const char *family, const char *ifname, const char *key, const char *value,
			 struct nb_error *err);

#endif
