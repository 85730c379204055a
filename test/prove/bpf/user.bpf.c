// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * What is proven of userspace's arithmetic. The compiler makes eBPF of it, too: so one machine
 * executes all that is proven. Functions that are not called stay unresolved.
 */
#include <natbridge/abi.h>

/*
 * Inlined, since eBPF has no functions that return a struct; and what is not used is left out, since
 * eBPF lacks much of what it calls. prove_clz() has a model in about_prefix.py.
 */
#define INLINED static inline __attribute__((always_inline))

INLINED struct nb_prefix nb_prefix_none(void);
INLINED struct nb_prefix nb_prefix_make(const struct nb_addr *addr, unsigned int prefix_len);
INLINED struct nb_addr nb_addr_network(const struct nb_addr *addr, unsigned int prefix_len);
INLINED struct nb_addr nb_addr_from_bytes(int family, const void *bytes);
INLINED _Bool nb_addr_parse(const char *text, struct nb_addr *addr);
INLINED _Bool nb_addr_parse_kubernetes(const char *text, struct nb_addr *addr);
INLINED _Bool nb_uint_parse(const char *text, unsigned long long min, unsigned long long max,
			    unsigned long long *value);
INLINED _Bool nb_cidr_parse(const char *text, struct nb_addr *addr, unsigned int *prefix_len);
INLINED _Bool nb_addr_port_parse(const char *text, struct nb_addr *addr, __be16 *port);
INLINED _Bool nb_mac_parse(const char *text, unsigned char mac[6]);
INLINED const char *nb_addr_format(const struct nb_addr *addr, char *buf);
INLINED const char *nb_mac_format(const unsigned char mac[6], char *buf);

unsigned int prove_clz(unsigned int number);
#define __builtin_clz prove_clz

#include "lib/maps/prefix.c"
#include "lib/util/addr.c"

#include "constants.h"

#include "lib/maps/settings.h"

CONSTANT(NB_CONNECTIONS_MAX);
CONSTANT(NB_ENTRY_ID_BITS);

int prove_prefix_make(struct nb_prefix *prefix, const struct nb_addr *addr, __u32 prefix_len)
{
	*prefix = nb_prefix_make(addr, prefix_len);
	return 0;
}

int prove_prefix_none(struct nb_prefix *prefix)
{
	*prefix = nb_prefix_none();
	return 0;
}

int prove_prefix_cover(struct nb_prefix *prefix, const struct nb_prefix *other)
{
	nb_prefix_cover(prefix, other);
	return 0;
}
