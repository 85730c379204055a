// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes a pod's veth pair and waits for its link. */
#include "netdev_veth.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <linux/if.h>

#include "lib/net/fdb.h"
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_delete.h"
#include "netdev_vlan.h"

enum {
	MAX_TRIES = 64, /* to make the pair while an old host veth goes away: 64 ms and more */
	RETRY_US = 1000,
	PORT_WAIT_US = 2550000, /* as the reference plugin waits in all */
	PORT_FIRST_US = 50,
	PORT_MAX_US = 20000,
};

int nb_netdev_check_free(struct nb_netdev *netdev, const char *ifname, struct nb_error *err)
{
	struct nb_link link;
	int rc = nb_netdev_open_pod(netdev, err);

	if (rc)
		return rc;
	rc = nb_link_get(&netdev->pod, ifname, &link, err);
	if (rc)
		return rc == -ENODEV ? 0 : rc;
	nb_fail(err, NB_ERR_SYSTEM, 0, "container interface \"%s\" already exists", ifname);
	return -EEXIST;
}

/*
 * One of the two names is taken. The pod's: ADD fails. The host's: one of ours is left
 * from an ADD whose namespace is gone or going, and is deleted; a foreign one stays,
 * and the next salt is tried.
 */
static int resolve_clash(struct nb_netdev *netdev, const struct nb_netdev_veth_spec *spec,
			 const char *host_name, unsigned int *salt, struct nb_error *err)
{
	struct nb_link link;
	int rc = nb_netdev_check_free(netdev, spec->id->ifname, err);

	if (rc)
		return rc;
	rc = nb_link_get(&netdev->host, host_name, &link, err);
	if (!rc && !nb_host_veth_is_of(&link, spec->id)) {
		++*salt;
		return 0;
	}
	if (!rc)
		rc = nb_link_delete(&netdev->host, link.index, err);
	if (rc && rc != -ENODEV)
		return rc;
	nb_netdev_sleep(RETRY_US);
	return 0;
}

/*
 * The request failed, but the pair may be there all the same, since the kernel's answer can get
 * lost. This ADD has not set the alias yet, so a link that has one is of another ADD.
 */
static void remove_half_made(struct nb_netdev *netdev, const struct nb_cni_id *id, const char *host_name)
{
	struct nb_link link;

	if (!nb_link_get(&netdev->host, host_name, &link, NULL) && !link.alias[0] &&
	    nb_host_veth_is_of(&link, id))
		(void)nb_link_delete(&netdev->host, link.index, NULL);
}

static int create_pair(struct nb_netdev *netdev, const struct nb_netdev_veth_spec *spec,
		       char host_name[IFNAMSIZ], struct nb_error *err)
{
	unsigned char host_mac[NB_MAC_LEN];
	struct nb_veth_spec pair = {
		.name = host_name,
		.mac = host_mac,
		.peer_name = spec->id->ifname,
		.peer_mac = spec->mac,
		.peer_netns_fd = netdev->netns_fd,
		.mtu = spec->mtu,
		.master = spec->bridge->index,
	};
	unsigned int salt = 0;

	for (int tries = 0; tries < MAX_TRIES && salt < NB_HOST_VETH_SALTS; tries++) {
		int rc;

		nb_host_veth_name(spec->id, salt, host_name);
		nb_host_veth_mac(spec->id->network, host_name, host_mac);
		rc = nb_link_create_veth(&netdev->host, &pair, err);
		if (rc && rc != -EEXIST)
			remove_half_made(netdev, spec->id, host_name);
		if (rc != -EEXIST)
			return rc;
		rc = resolve_clash(netdev, spec, host_name, &salt, err);
		if (rc)
			return rc;
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
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "cannot set the port flags of \"%s\": the kernel kept other values",
			       host->name);
	return 0;
}

/* Sets the alias and the port's flags, in one request. */
static int set_up_host_veth(struct nb_netdev *netdev, const struct nb_netdev_veth_spec *spec,
			    const char *name, struct nb_link *host, struct nb_error *err)
{
	char alias[NB_LINK_ALIAS_MAX];
	struct nb_link_change change = {
		.set_port = true,
		.hairpin = spec->hairpin,
		.isolated = spec->isolated,
		.alias = alias,
	};
	int rc = nb_link_get(&netdev->host, name, host, err);

	if (rc)
		return rc;
	nb_host_veth_alias(spec->id, alias);
	/* As on the bridge: no routes but natbridge's. The link may have no IPv6 at all. */
	(void)nb_sysctl_link_write("ipv6", name, "accept_ra", "0", NULL);
	rc = nb_netdev_set_vlans(netdev, host, &spec->vlans, spec->preserve_default_vlan, err);
	if (rc)
		return rc;
	rc = nb_link_change(&netdev->host, host->index, &change, err);
	if (rc)
		return rc;
	rc = nb_netdev_refetch(netdev, host, err);
	if (rc)
		return rc;
	return verify_port(host, spec, err);
}

static int set_up_pair(struct nb_netdev *netdev, const struct nb_netdev_veth_spec *spec, const char *name,
		       struct nb_netdev_veth *veth, struct nb_error *err)
{
	int rc = set_up_host_veth(netdev, spec, name, &veth->host, err);

	if (rc)
		return rc;
	rc = nb_netdev_open_pod(netdev, err);
	if (rc)
		return rc;
	rc = nb_link_get(&netdev->pod, spec->id->ifname, &veth->pod, err);
	if (rc)
		return rc;
	if (!veth->pod.has_mac)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" has no MAC address", veth->pod.name);
	return nb_fdb_add(&netdev->host, veth->host.index, veth->pod.mac, err);
}

int nb_netdev_add_veth(struct nb_netdev *netdev, const struct nb_netdev_veth_spec *spec,
		       struct nb_netdev_veth *veth, struct nb_error *err)
{
	char name[IFNAMSIZ];
	struct nb_netdev_veth made = { 0 };
	int rc = create_pair(netdev, spec, name, err);

	if (rc)
		return rc;
	rc = set_up_pair(netdev, spec, name, &made, err);
	if (rc) {
		struct nb_netdev_delete_spec undo = { .id = spec->id, .bridge = spec->bridge->name };

		/* The first error is the one to report. DEL tries again. */
		(void)nb_netdev_delete(netdev, &undo, NULL);
		return rc;
	}
	*veth = made;
	return 0;
}

int nb_netdev_port_up(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	struct nb_link_change change = { .set_up = true, .up = true };
	int rc = nb_link_change(&netdev->host, veth->host.index, &change, err);

	return rc ? nb_wrap(err, "cannot set \"%s\" up", veth->host.name) : 0;
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
 * The pod's addresses may have belonged to another pod, and its neighbours must learn the new MAC.
 * What the kernel sends when the link comes up (arp_notify, ndisc_notify) is lost, since the
 * bridge's port does not forward at that moment. Setting the MAC to what it is makes the kernel
 * send again (NETDEV_CHANGEADDR).
 */
static int announce(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	struct nb_link_change change = { .mac = veth->pod.mac };

	return nb_link_change(&netdev->pod, veth->pod.index, &change, err);
}

/*
 * The operational state of the pair: that of the end that is not up yet, as each
 * gets up by its own event.
 */
static int get_operstate(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
			 unsigned char *operstate, struct nb_error *err)
{
	struct nb_link end;
	int rc = nb_link_get_index(&netdev->host, veth->host.index, &end, err);

	if (rc)
		return rc;
	if (end.operstate == IF_OPER_UP) {
		rc = nb_link_get_index(&netdev->pod, veth->pod.index, &end, err);
		if (rc)
			return rc;
	}
	*operstate = end.operstate;
	return 0;
}

int nb_netdev_wait_port(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	unsigned int pause = PORT_FIRST_US;

	for (unsigned int waited = 0;; waited += pause) {
		unsigned char operstate;
		int rc = get_operstate(netdev, veth, &operstate, err);

		if (rc)
			return rc;
		if (operstate == IF_OPER_UP)
			return announce(netdev, veth, err);
		if (waited >= PORT_WAIT_US)
			return nb_fail(err, NB_ERR_SYSTEM, 0, "bridge port in error state: %s",
				       operstate_name(operstate));
		if (waited)
			pause = pause * 2 < PORT_MAX_US ? pause * 2 : PORT_MAX_US;
		nb_netdev_sleep(pause);
	}
}
