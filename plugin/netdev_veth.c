// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include <linux/if.h>

#include "lib/net/fdb.h"
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_internal.h"

enum {
	MAX_TRIES = 64, /* to make the pair while an old host end goes away: 64 ms and more */
	RETRY_US = 1000,
	PORT_WAIT_US = 2550000, /* as the reference waits in all */
	PORT_FIRST_US = 50,
	PORT_MAX_US = 20000,
};

void nb_netdev_sleep(unsigned int microseconds)
{
	struct timespec time = { .tv_nsec = (long)microseconds * 1000 };

	/* A signal may cut it short: callers look again anyway. */
	(void)nanosleep(&time, NULL);
}

int nb_netdev_check_free(struct nb_netdev *wire, const char *ifname, struct nb_error *err)
{
	struct nb_link link;
	int ret = nb_netdev_open_pod(wire, err);

	if (!ret)
		ret = nb_link_get(&wire->pod, ifname, &link, err);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	nb_fail(err, NB_ERR_SYSTEM, 0, "container interface \"%s\" already exists", ifname);
	return -EEXIST;
}

/*
 * One of the two names is taken. The pod's: the end. The host's: one of ours is left from an ADD whose
 * namespace is gone or going, so it is deleted; a foreign one stays, and the next salt is tried.
 */
static int resolve_clash(struct nb_netdev *wire, const struct nb_netdev_veth_spec *spec,
			 const char *host_name, unsigned int *salt, struct nb_error *err)
{
	struct nb_link link;
	int ret = nb_netdev_check_free(wire, spec->id->ifname, err);

	if (ret)
		return ret;
	ret = nb_link_get(&wire->host, host_name, &link, err);
	if (!ret && !nb_host_veth_is_of(&link, spec->id)) {
		++*salt;
		return 0;
	}
	if (!ret)
		ret = nb_link_delete(&wire->host, link.index, err);
	nb_netdev_sleep(RETRY_US);
	return ret == -ENODEV ? 0 : ret;
}

/*
 * The request failed, but the pair may be there all the same: the kernel's answer can get lost. What has its
 * alias is not of this ADD.
 */
static void remove_half_made(struct nb_netdev *wire, const struct nb_cni_id *id, const char *host_name)
{
	struct nb_link link;

	if (!nb_link_get(&wire->host, host_name, &link, NULL) && !link.alias[0] &&
	    nb_host_veth_is_of(&link, id))
		(void)nb_link_delete(&wire->host, link.index, NULL);
}

static int create_pair(struct nb_netdev *wire, const struct nb_netdev_veth_spec *spec,
		       char host_name[IFNAMSIZ], struct nb_error *err)
{
	unsigned char host_mac[NB_MAC_LEN];
	struct nb_veth_spec pair = {
		.name = host_name,
		.mac = host_mac,
		.peer_name = spec->id->ifname,
		.peer_mac = spec->mac,
		.peer_netns_fd = wire->netns_fd,
		.mtu = spec->mtu,
		.master = spec->bridge->index,
	};
	unsigned int salt = 0, tries;

	for (tries = 0; tries < MAX_TRIES && salt < NB_HOST_VETH_SALTS; tries++) {
		int ret;

		nb_host_veth_name(spec->id, salt, host_name);
		nb_host_veth_mac(spec->id->network, host_name, host_mac);
		ret = nb_link_create_veth(&wire->host, &pair, err);
		if (ret && ret != -EEXIST)
			remove_half_made(wire, spec->id, host_name);
		if (ret != -EEXIST)
			return ret;
		ret = resolve_clash(wire, spec, host_name, &salt, err);
		if (ret)
			return ret;
	}
	return nb_fail(err, NB_ERR_SYSTEM, 0, "no free name for the host interface of \"%s\"",
		       spec->id->ifname);
}

static int verify_port(const struct nb_link *host, const struct nb_netdev_veth_spec *spec,
		       struct nb_error *err)
{
	if (host->master != spec->bridge->index || !host->has_port)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" is not attached to bridge \"%s\"", host->name,
			       spec->bridge->name);
	if (host->hairpin != spec->hairpin || host->isolated != spec->isolated)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "the kernel did not take the port flags of \"%s\"",
			       host->name);
	return 0;
}

/* Alias and port flags in one request. */
static int set_up_host_end(struct nb_netdev *wire, const struct nb_netdev_veth_spec *spec, const char *name,
			   struct nb_link *host, struct nb_error *err)
{
	char alias[NB_LINK_ALIAS_MAX];
	struct nb_link_change change = {
		.set_port = true,
		.hairpin = spec->hairpin,
		.isolated = spec->isolated,
		.alias = alias,
	};
	int ret = nb_link_get(&wire->host, name, host, err);

	if (ret)
		return ret;
	nb_host_veth_alias(spec->id, alias);
	/* As on the bridge: no routes but ours. The link may have no IPv6 at all. */
	(void)nb_sysctl_link_write("ipv6", name, "accept_ra", "0", NULL);
	ret = nb_netdev_set_vlans(wire, host, &spec->vlans, spec->preserve_default_vlan, err);
	if (ret)
		return ret;
	ret = nb_link_change(&wire->host, host->index, &change, err);
	if (!ret)
		ret = nb_link_get_index(&wire->host, host->index, host, err);
	return ret ? ret : verify_port(host, spec, err);
}

static int set_up_pair(struct nb_netdev *wire, const struct nb_netdev_veth_spec *spec, const char *name,
		       struct nb_netdev_veth *veth, struct nb_error *err)
{
	int ret = set_up_host_end(wire, spec, name, &veth->host, err);

	if (!ret)
		ret = nb_netdev_open_pod(wire, err);
	if (!ret)
		ret = nb_link_get(&wire->pod, spec->id->ifname, &veth->pod, err);
	if (!ret && !veth->pod.has_mac)
		ret = nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" has no MAC", veth->pod.name);
	if (!ret)
		ret = nb_fdb_add(&wire->host, veth->host.index, veth->pod.mac, err);
	return ret;
}

int nb_netdev_add_veth(struct nb_netdev *wire, const struct nb_netdev_veth_spec *spec,
		       struct nb_netdev_veth *veth, struct nb_error *err)
{
	char name[IFNAMSIZ];
	struct nb_netdev_veth made = { 0 };
	int ret = create_pair(wire, spec, name, err);

	if (ret)
		return ret;
	ret = set_up_pair(wire, spec, name, &made, err);
	if (ret) {
		struct nb_netdev_delete_spec undo = { .id = spec->id, .bridge = spec->bridge->name };

		/* The first error is the one to report; DEL tries again. */
		(void)nb_netdev_delete(wire, &undo, NULL);
		return ret;
	}
	*veth = made;
	return 0;
}

int nb_netdev_port_up(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	struct nb_link_change change = { .set_up = true, .up = true };
	int ret = nb_link_change(&wire->host, veth->host.index, &change, err);

	return ret ? nb_wrap(err, "cannot set \"%s\" up", veth->host.name) : 0;
}

static const char *operstate_name(unsigned char state)
{
	static const char *const names[] = {
		[IF_OPER_UNKNOWN] = "unknown", [IF_OPER_NOTPRESENT] = "not present",
		[IF_OPER_DOWN] = "down",       [IF_OPER_LOWERLAYERDOWN] = "lower layer down",
		[IF_OPER_TESTING] = "testing", [IF_OPER_DORMANT] = "dormant",
		[IF_OPER_UP] = "up",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

/*
 * The pod's addresses may have belonged to another pod: its neighbours must learn the new MAC. What the
 * kernel sends when the link comes up (arp_notify, ndisc_notify) is lost, since the bridge's port is not
 * forwarding at that moment; setting the MAC to what it is makes it send again (NETDEV_CHANGEADDR).
 */
static int announce(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	struct nb_link_change change = { .mac = veth->pod.mac };

	return nb_link_change(&wire->pod, veth->pod.index, &change, err);
}

/* The end of the pair that is not operational yet, if any: each gets its link by an event of its own. */
static int look_at_link(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_link *behind,
			bool *up, struct nb_error *err)
{
	int ret = nb_link_get_index(&wire->host, veth->host.index, behind, err);

	if (!ret && behind->operstate == IF_OPER_UP)
		ret = nb_link_get_index(&wire->pod, veth->pod.index, behind, err);
	*up = !ret && behind->operstate == IF_OPER_UP;
	return ret;
}

int nb_netdev_wait_port(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	unsigned int pause = PORT_FIRST_US, waited;
	struct nb_link behind;

	for (waited = 0;; waited += pause) {
		bool up = false;
		int ret = look_at_link(wire, veth, &behind, &up, err);

		if (ret)
			return ret;
		if (up)
			return announce(wire, veth, err);
		if (waited >= PORT_WAIT_US)
			return nb_fail(err, NB_ERR_SYSTEM, 0, "bridge port in error state: %s",
				       operstate_name(behind.operstate));
		if (waited)
			pause = pause * 2 < PORT_MAX_US ? pause * 2 : PORT_MAX_US;
		nb_netdev_sleep(pause);
	}
}
