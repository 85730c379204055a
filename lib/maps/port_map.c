// SPDX-License-Identifier: GPL-2.0-or-later
/* A slot is words of 64 bits, each of which programs see as it was or as it is. */
#include "port_map.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

enum { SIZE = NB_MAX_PORTS * sizeof(struct nb_port) };

typedef __u64 __attribute__((may_alias)) word;

static_assert(offsetof(struct nb_port, gen) == offsetof(struct nb_port, ifindex) + 4, "one word");
static_assert(offsetof(struct nb_port, flags) == offsetof(struct nb_port, mac) + 6, "one word");
static_assert(offsetof(struct nb_port, ifindex) % 8 + offsetof(struct nb_port, mac) % 8 == 0, "words");

int nb_port_map_open(const struct nb_datapath *dp, struct nb_port_map *map, struct nb_error *err)
{
	void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dp->map_fd[NB_MAP_PORTS], 0);

	if (at == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map %s into memory",
			       nb_map_name(NB_MAP_PORTS));
	map->ports = at;
	return 0;
}

void nb_port_map_close(struct nb_port_map *map)
{
	if (map->ports)
		munmap(map->ports, SIZE);
}

void nb_port_map_write_id(const struct nb_port_map *map, __u32 slot, const struct nb_port *port)
{
	__atomic_store_n((word *)&map->ports[slot].ifindex, *(const word *)&port->ifindex, __ATOMIC_SEQ_CST);
}

void nb_port_map_write(const struct nb_port_map *map, __u32 slot, const struct nb_port *port)
{
	struct nb_port *to = &map->ports[slot];

	if (!port->ifindex)
		nb_port_map_write_id(map, slot, port);
	__atomic_store_n((word *)to->mac, *(const word *)port->mac, __ATOMIC_SEQ_CST);
	__atomic_store_n(&to->owner, port->owner, __ATOMIC_SEQ_CST);
	if (port->ifindex)
		nb_port_map_write_id(map, slot, port);
}
