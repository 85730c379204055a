// SPDX-License-Identifier: GPL-2.0-or-later
/* Which ports their bridge forwards to, and NB_GEN_CUT in the maps for those that it does not. */
#include <natbridge/cleanup.h>
#include <natbridge/conntrack.h>
#include <natbridge/port_state.h>

#include <errno.h>
#include <linux/if_bridge.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FOLLOW_TRIES = 8 }; /* the last of which finds nothing to do, unless ports change all the time */

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

/* ports[] in memory, which the programs use meanwhile. */
struct port_map {
	struct nb_port *ports;
};

static void unmap(struct port_map *map)
{
	if (map->ports)
		munmap(map->ports, NB_MAX_PORTS * sizeof(*map->ports));
}

static bool is_to_be_cut(const struct nb_port_links *links, unsigned int ifindex)
{
	enum nb_port_state state = nb_port_state_of(links, ifindex);

	/* To a link that has gone the kernel delivers nothing. */
	return state != NB_PORT_FORWARDING && state != NB_PORT_GONE;
}

/* One bit, by itself: a slot that is freed meanwhile loses it again (lib/endpoint.c). */
static void set_cut(struct nb_port *port, bool cut)
{
	if (cut)
		__atomic_fetch_or(&port->gen, NB_GEN_CUT, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&port->gen, ~NB_GEN_CUT, __ATOMIC_SEQ_CST);
}

/* The flag with which programs look for such ports at all: set before the first, taken away after the last.
 */
static int set_flag(const struct nb_datapath *dp, bool cut, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc || !(settings.flags & NB_SETTINGS_CUT) == !cut)
		return rc;
	settings.flags ^= NB_SETTINGS_CUT;
	return nb_settings_write(dp, &settings, err);
}

/* What is to be written. */
struct survey {
	unsigned int cut;     /* ports that are to be cut off */
	unsigned int changes; /* and how many bits are not as they should be, the settings' flag included */
};

static int look(const struct nb_datapath *dp, const struct port_map *map, const struct nb_port_links *links,
		struct survey *found, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	*found = (struct survey){ 0 };
	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !rc; slot++) {
		const struct nb_port *port = &map->ports[slot];
		bool cut;

		if (!port->ifindex)
			continue;
		cut = is_to_be_cut(links, port->ifindex);
		found->cut += cut;
		found->changes += cut != !!(port->gen & NB_GEN_CUT);
	}
	/* It may be left over from a port that was cut off until its DEL. */
	found->changes += !rc && !(settings.flags & NB_SETTINGS_CUT) != !found->cut;
	return rc;
}

static int write_all(const struct nb_datapath *dp, const struct port_map *map,
		     const struct nb_port_links *links, bool any, struct nb_error *err)
{
	int rc = any ? set_flag(dp, true, err) : 0;

	for (unsigned int slot = 1; slot < NB_MAX_PORTS && !rc; slot++) {
		struct nb_port *port = &map->ports[slot];

		if (port->ifindex)
			set_cut(port, is_to_be_cut(links, port->ifindex));
	}
	return rc || any ? rc : set_flag(dp, false, err);
}

/* Compares the maps with the links as they are now, and with write brings them into line. */
static int follow_once(const struct nb_datapath *dp, const struct port_map *map, struct nb_netlink *nl,
		       bool write, bool *changes, struct nb_error *err)
{
	struct nb_port_links links nb_cleanup(nb_port_links_free) = { 0 };
	struct survey found = { 0 };
	int rc = nb_port_links_read(dp, nl, &links, err);

	*changes = false;
	if (rc || !links.known)
		return rc;
	rc = look(dp, map, &links, &found, err);
	*changes = found.changes;
	return rc || !write || !found.changes ? rc : write_all(dp, map, &links, found.cut, err);
}

int nb_ports_follow(const struct nb_datapath *dp, const char *bpffs, struct nb_netlink *nl,
		    struct nb_error *err)
{
	struct port_map map nb_cleanup(unmap) = { 0 };
	int lock nb_autoclose = -1;
	bool changes;
	void *at;
	int rc;

	at = mmap(NULL, NB_MAX_PORTS * sizeof(*map.ports), PROT_READ | PROT_WRITE, MAP_SHARED,
		  dp->map_fd[NB_MAP_PORTS], 0);
	if (at == MAP_FAILED)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map %s into memory",
			       nb_map_name(NB_MAP_PORTS));
	map.ports = at;
	rc = follow_once(dp, &map, nl, false, &changes, err);
	if (!rc && changes && dp->lock_fd < 0)
		rc = nb_datapath_lock(bpffs, &lock, err);
	/*
	 * Links do not wait for the lock: they may have changed since they were looked at, and again until
	 * that was written. An ADD whose port is up sees what was written, or whoever writes sees the port.
	 */
	for (int i = 0; i < FOLLOW_TRIES && !rc && changes; i++)
		rc = follow_once(dp, &map, nl, true, &changes, err);
	return rc;
}
