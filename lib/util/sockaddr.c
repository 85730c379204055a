// SPDX-License-Identifier: GPL-2.0-or-later
/* One struct for both families. */
#include "sockaddr.h"

#include <netinet/in.h>
#include <string.h>

#include "addr.h"

socklen_t nb_sockaddr_fill(const struct nb_addr *addr, __be16 port, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	unsigned int len;
	const void *bytes = nb_addr_bytes(addr, &len);

	*to = (struct sockaddr_storage){ .ss_family = (sa_family_t)nb_addr_family(addr) };
	if (nb_addr_is_v4(addr)) {
		v4->sin_port = port;
		memcpy(&v4->sin_addr, bytes, len);
		return sizeof(*v4);
	}
	v6->sin6_port = port;
	memcpy(&v6->sin6_addr, bytes, len);
	return sizeof(*v6);
}

__be16 nb_sockaddr_port(const struct sockaddr_storage *from)
{
	return from->ss_family == AF_INET ? ((const struct sockaddr_in *)from)->sin_port
					  : ((const struct sockaddr_in6 *)from)->sin6_port;
}
