// SPDX-License-Identifier: GPL-2.0-or-later
/* IP addresses, prefixes, ports, MAC addresses and numbers from text, and back to text. */
#include "addr.h"

#include <ctype.h>
#include <stdio.h>

#include <natbridge/abi.h>

struct nb_addr nb_addr_from_bytes(int family, const void *bytes)
{
	struct nb_addr addr = { 0 };

	if (family == AF_INET) {
		addr.w[2] = htonl(0xffff);
		memcpy(&addr.w[3], bytes, 4);
	} else {
		memcpy(addr.w, bytes, sizeof(addr.w));
	}
	return addr;
}

bool nb_addr_parse(const char *text, struct nb_addr *addr)
{
	unsigned char bytes[16];
	struct nb_addr parsed;

	if (inet_pton(AF_INET, text, bytes) == 1) {
		*addr = nb_addr_from_bytes(AF_INET, bytes);
		return true;
	}
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return false;
	parsed = nb_addr_from_bytes(AF_INET6, bytes);
	/* As a map key it would equal the IPv4 address, but its packets are IPv6. */
	if (nb_addr_is_v4(&parsed))
		return false;
	*addr = parsed;
	return true;
}

bool nb_addr_parse_kubernetes(const char *text, struct nb_addr *addr)
{
	/* Without leading zeros, which inet_pton() refuses. */
	char plain[NB_ADDR_STRLEN];
	unsigned char bytes[16];
	size_t len = 0;

	for (; *text; text++) {
		bool begins = !len || !isxdigit((unsigned char)plain[len - 1]);

		if (begins && *text == '0' && isxdigit((unsigned char)text[1]))
			continue;
		if (len + 1 == sizeof(plain))
			return false;
		plain[len++] = *text;
	}
	plain[len] = '\0';
	if (inet_pton(AF_INET, plain, bytes) == 1)
		*addr = nb_addr_from_bytes(AF_INET, bytes);
	else if (inet_pton(AF_INET6, plain, bytes) == 1)
		*addr = nb_addr_from_bytes(AF_INET6, bytes);
	else
		return false;
	return true;
}

bool nb_addr_is_routable(const struct nb_addr *addr)
{
	const __u32 first = ntohl(addr->w[0]), last = ntohl(addr->w[3]);

	/* Not 0/8, 127/8, 169.254/16, 224/3. */
	if (nb_addr_is_v4(addr))
		return last >> 24 != 0 && last >> 24 != 127 && last >> 16 != 0xa9fe && last >> 29 != 7;
	/* Not ::/32 (which holds the unspecified and the loopback address), fe80::/10, ff00::/8. */
	return first != 0 && first >> 22 != 0xfe80 >> 6 && first >> 24 != 0xff;
}

bool nb_uint_parse(const char *text, unsigned long long min, unsigned long long max,
		   unsigned long long *value)
{
	unsigned long long sum = 0;
	const char *p = text;

	if (*p == '0' && p[1])
		return false;
	do {
		unsigned int digit = (unsigned char)*p - '0';

		if (digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, digit, &sum))
			return false;
	} while (*++p);
	if (sum < min || sum > max)
		return false;
	*value = sum;
	return true;
}

/* Copies the first len bytes of text into part[size], with a NUL. False if they do not fit. */
static bool copy_part(const char *text, size_t len, char *part, size_t size)
{
	if (len >= size)
		return false;
	memcpy(part, text, len);
	part[len] = '\0';
	return true;
}

bool nb_cidr_parse(const char *text, struct nb_addr *addr, unsigned int *prefix_len)
{
	const char *slash = strchr(text, '/');
	char part[NB_ADDR_STRLEN];
	unsigned long long len;
	struct nb_addr parsed;

	if (!slash || !copy_part(text, slash - text, part, sizeof(part)) || !nb_addr_parse(part, &parsed) ||
	    !nb_uint_parse(slash + 1, 0, nb_addr_is_v4(&parsed) ? 32 : 128, &len))
		return false;
	*addr = parsed;
	*prefix_len = len;
	return true;
}

bool nb_addr_port_parse(const char *text, struct nb_addr *addr, __be16 *port)
{
	bool bracket = *text == '[';
	const char *begin = text + bracket;
	const char *end = strchr(begin, bracket ? ']' : ':');
	const char *colon = end && bracket ? end + 1 : end;
	char part[NB_ADDR_STRLEN];
	unsigned long long number;
	struct nb_addr parsed;

	if (!colon || *colon != ':' || !copy_part(begin, end - begin, part, sizeof(part)) ||
	    !nb_addr_parse(part, &parsed) || nb_addr_is_v4(&parsed) == bracket ||
	    !nb_uint_parse(colon + 1, 1, 65535, &number))
		return false;
	*addr = parsed;
	*port = htons(number);
	return true;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool nb_mac_parse(const char *text, unsigned char mac[6])
{
	unsigned char parsed[6], any = 0;

	if (strlen(text) != NB_MAC_STRLEN - 1)
		return false;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		parsed[i] = high << 4 | low;
		any |= parsed[i];
	}
	if (!any || parsed[0] & 1)
		return false;
	memcpy(mac, parsed, sizeof(parsed));
	return true;
}

const char *nb_addr_format(const struct nb_addr *addr, char buf[NB_ADDR_STRLEN])
{
	unsigned int len;

	inet_ntop(nb_addr_family(addr), nb_addr_bytes(addr, &len), buf, NB_ADDR_STRLEN);
	return buf;
}

const char *nb_mac_format(const unsigned char mac[6], char buf[NB_MAC_STRLEN])
{
	snprintf(buf, NB_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return buf;
}

struct nb_addr nb_addr_network(const struct nb_addr *addr, unsigned int prefix_len)
{
	unsigned int bits = nb_addr_is_v4(addr) ? prefix_len + 96 : prefix_len;
	struct nb_addr network = *addr;

	for (unsigned int i = 0; i < 4; i++) {
		unsigned int in_word = bits > 32 * i ? bits - 32 * i : 0;

		if (in_word < 32)
			network.w[i] &= in_word ? htonl(~0U << (32 - in_word)) : 0;
	}
	return network;
}
