/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_ADDR_H
#define NATBRIDGE_LIB_UTIL_ADDR_H

/*
 * struct nb_addr from and to text, strictly: what inet_pton() takes and nothing else (no zones, no leading
 * zeros). Addresses in objects of Kubernetes have a parser of their own.
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include <natbridge/abi.h>

enum { NB_ADDR_STRLEN = INET6_ADDRSTRLEN, NB_MAC_STRLEN = 18 };

static inline bool nb_addr_is_v4(const struct nb_addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == htonl(0xffff);
}

static inline bool nb_addr_is_zero(const struct nb_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static inline bool nb_addr_equal(const struct nb_addr *a, const struct nb_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* An address that a Service or a pod can have: unicast, not unspecified, loopback or link-local. */
bool nb_addr_is_routable(const struct nb_addr *addr);

/* AF_INET or AF_INET6. */
static inline int nb_addr_family(const struct nb_addr *a)
{
	return nb_addr_is_v4(a) ? AF_INET : AF_INET6;
}

/* The bytes as the kernel wants them: 4 or 16 (*len), inside *a. */
static inline const void *nb_addr_bytes(const struct nb_addr *a, unsigned int *len)
{
	*len = nb_addr_is_v4(a) ? 4 : 16;
	return nb_addr_is_v4(a) ? (const void *)&a->w[3] : (const void *)a->w;
}

/* From 4 or 16 bytes in network order. */
struct nb_addr nb_addr_from_bytes(int family, const void *bytes);

/* An IPv4 or IPv6 address; an IPv4-mapped one ("::ffff:1.2.3.4") is refused. False: *addr untouched. */
bool nb_addr_parse(const char *text, struct nb_addr *addr);

/*
 * An address as Kubernetes reads those that its API server has stored (ParseIPSloppy() of k8s.io/utils/net):
 * leading zeros are allowed and mean nothing ("010.0.0.1" is 10.0.0.1), and an IPv4-mapped address is the
 * IPv4 address. False: *addr untouched.
 */
bool nb_addr_parse_kubernetes(const char *text, struct nb_addr *addr);

/* "ADDRESS/PREFIX"; the prefix length must fit the family. False: outputs untouched. */
bool nb_cidr_parse(const char *text, struct nb_addr *addr, unsigned int *prefix_len);

/* "1.2.3.4:80" or "[fd00::1]:80"; port 1 .. 65535. False: outputs untouched. */
bool nb_addr_port_parse(const char *text, struct nb_addr *addr, __be16 *port);

/* "aa:bb:cc:dd:ee:ff" (either case); not multicast, not zero. False: mac untouched. */
bool nb_mac_parse(const char *text, unsigned char mac[6]);

/* A decimal number min .. max without sign, blanks or leading zeros. False: *value untouched. */
bool nb_uint_parse(const char *text, unsigned long long min, unsigned long long max,
		   unsigned long long *value);

/* Into buf, which is returned. */
const char *nb_addr_format(const struct nb_addr *addr, char buf[NB_ADDR_STRLEN]);
const char *nb_mac_format(const unsigned char mac[6], char buf[NB_MAC_STRLEN]);

/* Clears the host bits of an address. */
struct nb_addr nb_addr_network(const struct nb_addr *addr, unsigned int prefix_len);

#endif
