/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_ADDR_H
#define NATBRIDGE_LIB_UTIL_ADDR_H

/*
 * IP addresses, prefixes, ports, MAC addresses and numbers from text, and back. Parsing is strict:
 * addresses are what inet_pton() accepts (no zones, no leading zeros). Only addresses in Kubernetes
 * objects have a looser parser. struct nb_addr holds an IPv4 address in its IPv4-mapped IPv6 form,
 * in network byte order.
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

/*
 * Whether a Service or a pod can have the address: unicast, not unspecified, loopback or
 * link-local.
 */
bool nb_addr_is_routable(const struct nb_addr *addr);

/* AF_INET or AF_INET6. */
static inline int nb_addr_family(const struct nb_addr *a)
{
	return nb_addr_is_v4(a) ? AF_INET : AF_INET6;
}

/* The address as the kernel takes it: *len bytes, 4 or 16, in network order. They lie inside *a. */
static inline const void *nb_addr_bytes(const struct nb_addr *a, unsigned int *len)
{
	*len = nb_addr_is_v4(a) ? 4 : 16;
	return nb_addr_is_v4(a) ? (const void *)&a->w[3] : (const void *)a->w;
}

/* From 4 bytes (AF_INET) or 16 bytes (AF_INET6) in network order. */
struct nb_addr nb_addr_from_bytes(int family, const void *bytes);

/*
 * Parses an IPv4 or IPv6 address; refuses an IPv4-mapped one ("::ffff:1.2.3.4"). False: *addr
 * untouched.
 */
bool nb_addr_parse(const char *text, struct nb_addr *addr);

/*
 * Parses an address as Kubernetes parses the stored ones (ParseIPSloppy() of k8s.io/utils/net):
 * leading zeros are ignored ("010.0.0.1" is 10.0.0.1), and an IPv4-mapped address is the IPv4
 * address. False: *addr untouched.
 */
bool nb_addr_parse_kubernetes(const char *text, struct nb_addr *addr);

/*
 * Parses "ADDRESS/PREFIX", prefix length 0 .. 32 or 0 .. 128. Host bits may be set. False: outputs
 * untouched.
 */
bool nb_cidr_parse(const char *text, struct nb_addr *addr, unsigned int *prefix_len);

/* Parses "1.2.3.4:80" or "[fd00::1]:80", port 1 .. 65535. False: outputs untouched. */
bool nb_addr_port_parse(const char *text, struct nb_addr *addr, __be16 *port);

/* Parses "aa:bb:cc:dd:ee:ff" (either case); refuses multicast and zero. False: mac untouched. */
bool nb_mac_parse(const char *text, unsigned char mac[6]);

/*
 * Parses a decimal number min .. max without sign, blanks or leading zeros. False: *value
 * untouched.
 */
bool nb_uint_parse(const char *text, unsigned long long min, unsigned long long max,
		   unsigned long long *value);

/* Write the text form into buf and return buf. */
const char *nb_addr_format(const struct nb_addr *addr, char buf[NB_ADDR_STRLEN]);
const char *nb_mac_format(const unsigned char mac[6], char buf[NB_MAC_STRLEN]);

/* The address with its host bits cleared. prefix_len: 0 .. 32 or 0 .. 128. */
struct nb_addr nb_addr_network(const struct nb_addr *addr, unsigned int prefix_len);

#endif
