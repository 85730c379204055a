/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_SYSCTL_H
#define NATBRIDGE_LIB_NET_SYSCTL_H

/*
 * Kernel parameters: files below /proc/sys. Those below net/ are of the network namespace of the
 * calling thread; for another namespace call these functions by nb_netns_run(). Values have at most
 * 63 bytes.
 */

#include <stddef.h>

#include "lib/util/error.h"

/*
 * Reads the value of name ("net/ipv4/ip_forward") into buf[size], without its newline. -ENOENT: the
 * kernel has no such parameter.
 */
int nb_sysctl_read(const char *name, char *buf, size_t size, struct nb_error *err);

/* Sets name to value. Writes nothing if it has that value: then /proc/sys may be read-only. */
int nb_sysctl_write(const char *name, const char *value, struct nb_error *err);

/* Checks whether nb_sysctl_write() would be permitted. Writes nothing. 0 or its error. */
int nb_sysctl_probe(const char *name, const char *value, struct nb_error *err);

/*
 * Read and set a parameter of a link, net/<family>/conf/<ifname>/<key>. family: "ipv4" or "ipv6".
 * -EINVAL: ifname is not valid (nb_ifname_valid()).
 */
int nb_sysctl_link_read(const char *family, const char *ifname, const char *key, char *buf, size_t size,
			struct nb_error *err);
int nb_sysctl_link_write(const char *family, const char *ifname, const char *key, const char *value,
			 struct nb_error *err);

#endif
