// SPDX-License-Identifier: GPL-2.0-or-later
/* Which ports their bridge forwards to, and NB_GEN_CUT in the maps for those that it does not. */
#include "port_state.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/if_bridge.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "datapath.h"

static const char *const names[NB_PORT_STATES] = {
	[NB_PORT_FORWARDING] = "forwarding",         [NB_PORT_GONE] = "gone",
	[NB_PORT_OFF_BRIDGE] = "off-bridge",         [NB_PORT_DOWN] = "down",
	[NB_PORT_NOT_FORWARDING] = "not-forwarding", [NB_PORT_BRIDGE_DOWN] = "bridge-down",
};

const char *nb_port_state_name(enum nb_port_state state)
{
	return (unsigned int)state < NB_PORT_STATES ? names[state] : "unknown";
}

void nb_port_links_free(struct nb_port_links *links)
{
	free(links->all);
	*links = (struct nb_port_links){ 0 };
}

static const struct nb_link *find(const struct nb_port_links *links, unsigned int index)
{
	for (unsigned int i = 0; i < links->n; i++)
		if (links->all[i].index == index)
			return &links->all[i];
	return NULL;
}

int nb_port_links_read(const struct nb_datapath *dp, struct nb_netlink *nl, struct nb_port_links *links,
		       struct nb_error *err)
{
	const struct nb_link *host, *bridge;
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	*links = (struct nb_port_links){ 0 };
	if (rc || !settings.bridge_ifindex)
		return rc;
	rc = nb_link_list(nl, NULL, 0, &links->all, &links->n, err);
	if (rc)
		return rc;
	host = find(links, settings.bridge_ifindex);
	if (!host || !host->has_mac || memcmp(host->mac, settings.bridge_mac, sizeof(host->mac)) != 0)
		return 0;
	bridge = strcmp(host->kind, "vlan") ? host : find(links, host->peer);
	if (!bridge || strcmp(bridge->kind, "bridge"))
		return 0;
	links->bridge = *bridge;
	links->known = true;
	return 0;
}

enum nb_port_state nb_port_state_of(const struct nb_port_links *links, unsigned int ifindex)
{
	const struct nb_link *port = find(links, ifindex);

	if (!port)
		return NB_PORT_GONE;
	if (port->master != links->bridge.index)
		return NB_PORT_OFF_BRIDGE;
	if (!(links->bridge.flags & IFF_UP))
		return NB_PORT_BRIDGE_DOWN;
	if (!(port->flags & IFF_UP))
		return NB_PORT_DOWN;
	/* Without a carrier the bridge disables the port by itself, and enables it with the pod's end. */
	if (!port->has_port || !(port->flags & IFF_RUNNING))
		return NB_PORT_FORWARDING;
	return port->port_state == BR_STATE_DISABLED || port->port_state == BR_STATE_BLOCKING
		       ? NB_PORT_NOT_FORWARDING
		       : NB_PORT_FORWARDING;
}

/* ports[] in memory, which programs and other callers change meanwhile. */
struct port_map {
	struct nb_port *ports;
};

static void unmap(struct port_map *map)
{
	if (map->ports)
		munmap(map->ports, NB_MAX_PORTS * sizeof(*map->ports));
}

static int map_ports(const struct nb_datapath *dp, struct port_map *map, struct nb_error *err)
{
	void *at = mmap(NULL, NB_MAX_PORTS * sizeof(*map->ports), PROT_READ | PROT_WRITE, MAP_SHARED,
			dp->map_fd[NB_MAP_PORTS], 0);

	if (at == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map %s into memory",
			       nb_map_name(NB_MAP_PORTS));
	map->ports = at;
	return 0;
}

int nb_port_connected(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err)
{
	struct port_map map nb_cleanup(unmap) = { 0 };
	int rc = map_ports(dp, &map, err);

	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !rc; slot++)
		if (map.ports[slot].ifindex == ifindex)
			__atomic_fetch_and(&map.ports[slot].gen, ~NB_GEN_CUT, __ATOMIC_SEQ_CST);
	return rc;
}

int nb_port_set_vlan(const struct nb_datapath *dp, unsigned int ifindex, unsigned int vlan,
		     struct nb_error *err)
{
	const __u16 mask = (__u16)(~0U << NB_PORT_VLAN_SHIFT);
	struct port_map map nb_cleanup(unmap) = { 0 };
	int rc = map_ports(dp, &map, err);

	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !rc; slot++) {
		__u16 *flags = &map.ports[slot].flags, was, now;

		if (map.ports[slot].ifindex != ifindex)
			continue;
		/* qdisc.bpf.c may set a bit meanwhile. Should it undo this, the next ADD does it again. */
		was = __atomic_load_n(flags, __ATOMIC_SEQ_CST);
		do
			now = (__u16)((was & ~mask) | vlan << NB_PORT_VLAN_SHIFT);
		while (!__atomic_compare_exchange_n(flags, &was, now, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST));
	}
	return rc;
}

/* A port as it was before the links were read. */
struct before {
	__u32 ifindex, gen;
};

static bool is_to_be_cut(const struct nb_port_links *links, unsigned int ifindex)
{
	enum nb_port_state state = nb_port_state_of(links, ifindex);

	/* To a link that has gone the kernel delivers nothing. */
	return state != NB_PORT_FORWARDING && state != NB_PORT_GONE;
}

/*
 * Of two that are at it, or an ADD that has just connected its port, each changes only what the others have
 * left as it was. A slot that is freed meanwhile has another generation.
 */
static void write_bits(const struct port_map *map, const struct before *before,
		       const struct nb_port_links *links)
{
	for (unsigned int slot = 1; slot < NB_MAX_PORTS; slot++) {
		__u32 was = before[slot].gen, gen = was & ~NB_GEN_CUT;

		if (!before[slot].ifindex)
			continue;
		gen |= is_to_be_cut(links, before[slot].ifindex) ? NB_GEN_CUT : 0;
		if (gen != was)
			__atomic_compare_exchange_n(&map->ports[slot].gen, &was, gen, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST);
	}
}

/* Whether programs must look at a sender's port: some port is cut off whose pod can send. That of an ADD
 * which has not connected it yet is down. */
static bool has_cut_senders(const struct port_map *map, const struct nb_port_links *links)
{
	bool found = false;

	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !found; slot++) {
		__u32 ifindex = __atomic_load_n(&map->ports[slot].ifindex, __ATOMIC_SEQ_CST);

		found = ifindex && is_to_be_cut(links, ifindex) &&
			nb_port_state_of(links, ifindex) != NB_PORT_DOWN;
	}
	return found;
}

static int set_flag(const struct nb_datapath *dp, const struct port_map *map, struct nb_netlink *nl,
		    struct nb_error *err)
{
	struct nb_port_links links nb_cleanup(nb_port_links_free) = { 0 };
	struct nb_settings settings;
	int rc = nb_port_links_read(dp, nl, &links, err); /* as they are now that the lock is there */

	if (!rc)
		rc = nb_settings_read(dp, &settings, err);
	if (rc || !links.known)
		return rc;
	settings.flags &= ~NB_SETTINGS_CUT;
	if (has_cut_senders(map, &links))
		settings.flags |= NB_SETTINGS_CUT;
	return nb_settings_write(dp, &settings, err);
}

/* The flag in the settings, which only who has the lock may write. */
static int follow_flag(const struct nb_datapath *dp, const char *bpffs, const struct port_map *map,
		       const struct nb_port_links *links, struct nb_netlink *nl, struct nb_error *err)
{
	int lock nb_autoclose = -1;
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc || has_cut_senders(map, links) == !!(settings.flags & NB_SETTINGS_CUT))
		return rc;
	if (dp->lock_fd < 0)
		rc = nb_datapath_lock(bpffs, &lock, err);
	return rc ? rc : set_flag(dp, map, nl, err);
}

int nb_ports_follow(const struct nb_datapath *dp, const char *bpffs, struct nb_netlink *nl,
		    struct nb_error *err)
{
	struct nb_port_links links nb_cleanup(nb_port_links_free) = { 0 };
	struct before *before nb_autofree = calloc(NB_MAX_PORTS, sizeof(*before));
	struct port_map map nb_cleanup(unmap) = { 0 };
	int rc = before ? map_ports(dp, &map, err) : nb_fail_nomem(err);

	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !rc; slot++) {
		before[slot].gen = __atomic_load_n(&map.ports[slot].gen, __ATOMIC_SEQ_CST);
		before[slot].ifindex = __atomic_load_n(&map.ports[slot].ifindex, __ATOMIC_SEQ_CST);
	}
	if (!rc)
		rc = nb_port_links_read(dp, nl, &links, err);
	if (rc || !links.known)
		return rc;
	write_bits(&map, before, &links);
	return follow_flag(dp, bpffs, &map, &links, nl, err);
}
