// SPDX-License-Identifier: GPL-2.0-or-later
/* From the sender's name to the program that its packets meet. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "cli/each_network.h"
#include "lib/datapath/attach.h"
#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/net/host_veth.h"
#include "lib/net/route.h"
#include "lib/service/change.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "why.h"

/* The MAC of whoever sends from outside: it is not looked at. */
static const unsigned char neighbour_mac[NB_MAC_LEN] = { 0x02, 0, 0, 0, 0, 1 };

void nb_why_free(struct nb_why *why)
{
	nb_trial_close(&why->trial);
	nb_datapath_close(&why->dp);
	nb_netlink_close(&why->nl);
	nb_vec_free(&why->pods);
	nb_services_free(&why->services);
	free(why->links);
}

const struct nb_link *nb_why_link(const struct nb_why *why, unsigned int ifindex)
{
	for (unsigned int i = 0; i < why->n_links; i++)
		if (why->links[i].index == ifindex)
			return &why->links[i];
	return NULL;
}

const char *nb_why_link_name(const struct nb_why *why, unsigned int ifindex)
{
	const struct nb_link *link = nb_why_link(why, ifindex);

	return link ? link->name : "?";
}

const struct nb_endpoint_info *nb_why_pod(const struct nb_why *why, const struct nb_addr *addr)
{
	for (size_t i = 0; i < why->pods.n; i++)
		if (nb_addr_equal(&why->pods.items[i].addr, addr))
			return &why->pods.items[i];
	return NULL;
}

/* ---- which network has the pod ---- */

static bool is_of_family(const struct nb_question *question, const struct nb_addr *addr)
{
	return *question->service || nb_addr_family(addr) == nb_addr_family(&question->dst);
}

/* Whether an address of a network is the sender's, of the family that the question is about. */
static bool is_sender(const struct nb_why *why, const struct nb_endpoint_info *info)
{
	const struct nb_question *question = &why->question;

	if (question->has_src)
		return nb_addr_equal(&info->addr, &question->src);
	return is_of_family(question, &info->addr) &&
	       !strcmp(nb_why_link_name(why, info->port.ifindex), question->link);
}

struct search {
	struct nb_why *why;
	const char *network;
	char other[256];
	bool found;
};

static int look_at(const struct nb_endpoint_info *info, void *arg)
{
	struct search *search = arg;

	search->found |= is_sender(search->why, info);
	return 0;
}

static int look_into(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp, void *arg,
		     struct nb_error *err)
{
	struct search *search = arg;
	struct nb_why *why = search->why;
	int rc;

	(void)cli;
	if (!strcmp(network, NB_NODE_NETWORK))
		return 0;
	search->found = false;
	rc = nb_endpoint_each(dp, look_at, search, err);
	if (rc || !search->found)
		return rc;
	snprintf(*why->network ? search->other : why->network, sizeof(why->network), "%s", network);
	return 0;
}

/* Sets why->network to that of the pod; "": the sender is no pod. */
static int find_network(struct nb_why *why, struct nb_error *err)
{
	struct search search = { .why = why };
	int rc = nb_each_network(why->cli, NB_READ, look_into, &search, NULL, err);

	/* Another network that cannot be read does not matter, once the pod is found. */
	if (rc && *why->network)
		*err = (struct nb_error){ 0 };
	if (!*search.other)
		return *why->network ? 0 : rc;
	return nb_fail(err, NB_ERR_CONFIG, 0,
		       "networks \"%s\" and \"%s\" both have such a pod; name one by --network", why->network,
		       search.other);
}

static int keep_pod(const struct nb_endpoint_info *info, void *arg)
{
	struct nb_why *why = arg;

	return nb_vec_push(&why->pods, *info, NULL);
}

/* Opens the datapath and reads what all parts need of it. */
static int enter(struct nb_why *why, struct nb_error *err)
{
	int rc = nb_datapath_open(&why->cli->pin_root, why->network, false, &why->dp, err);

	rc = rc ? rc : nb_datapath_mode(&why->dp, &why->mode, err);
	rc = rc ? rc : nb_settings_read(&why->dp, &why->settings, err);
	rc = rc ? rc : nb_endpoint_each(&why->dp, keep_pod, why, err);
	if (!rc && why->mode != NB_MODE_ASSIST)
		rc = nb_service_read(&why->dp, &why->services, err);
	for (size_t i = 0; i < why->pods.n && !why->pod; i++)
		if (why->sender == NB_SENDER_POD && is_sender(why, &why->pods.items[i]))
			why->pod = &why->pods.items[i];
	return rc;
}

/* ---- a Service by its name ---- */

/* The sender's address of a family; NULL: it has none. */
static const struct nb_endpoint_info *address_of(const struct nb_why *why, int family)
{
	for (size_t i = 0; i < why->pods.n; i++)
		if (why->pods.items[i].port.ifindex == why->pod->port.ifindex &&
		    nb_addr_family(&why->pods.items[i].addr) == family)
			return &why->pods.items[i];
	return NULL;
}

static bool is_asked_for(const struct nb_why *why, const struct nb_service *service)
{
	const struct nb_question *question = &why->question;
	const __be16 port = service->port ? service->port : service->key.port;

	if (strcmp(service->name, question->service) != 0 || service->kind != NB_CLUSTER_IP ||
	    (why->pod && !address_of(why, nb_addr_family(&service->key.addr))) ||
	    (question->has_src && nb_addr_family(&service->key.addr) != nb_addr_family(&question->src)))
		return false;
	if (question->proto == IPPROTO_ICMP)
		return true;
	return service->key.proto == question->proto &&
	       (*question->port_name ? !strcmp(service->port_name, question->port_name)
				     : port == question->dport);
}

/* Sets the destination to the ClusterIP of the Service. */
static int find_service(struct nb_why *why, struct nb_error *err)
{
	struct nb_question *question = &why->question;
	bool has_name = false;

	for (size_t i = 0; i < why->services.n; i++) {
		const struct nb_service *service = &why->services.items[i];

		has_name |= !strcmp(service->name, question->service);
		if (!is_asked_for(why, service))
			continue;
		if (why->pod)
			why->pod = address_of(why, nb_addr_family(&service->key.addr));
		question->dst = service->key.addr;
		question->dport = question->proto == IPPROTO_ICMP ? 0 : service->key.port;
		return 0;
	}
	if (!has_name)
		return nb_fail(
			err, NB_ERR_CONFIG, 0,
			"the table has no Service \"%s\"; natbridgectl service list shows those that it "
			"has, kubectl get services -A those of the cluster",
			question->service);
	return nb_fail(err, NB_ERR_CONFIG, 0, "Service \"%s\" has no such port of that protocol and family",
		       question->service);
}

/* The frontend that the packet meets: what leaves the node is from inside. */
static void meet_service(struct nb_why *why)
{
	const struct nb_frontend_key key = {
		.addr = why->tuple.dst,
		.port = why->tuple.dport,
		.proto = why->tuple.proto,
		.side = why->tuple.side == NB_SIDE_OUTSIDE ? NB_SIDE_OUTSIDE : NB_SIDE_INSIDE,
	};

	for (size_t i = 0; i < why->services.n && !why->service; i++)
		if (!memcmp(&why->services.items[i].key, &key, sizeof(key)))
			why->service = &why->services.items[i];
}

/* ---- places ---- */

/* Programs at pods' ports: what the pod sends to its network goes to the other pod, all else to the host. */
static void place_pod(struct nb_why *why)
{
	const struct nb_endpoint_info *to = nb_why_pod(why, &why->question.dst);
	struct nb_place *place = &why->place;

	place->prog = why->mode == NB_MODE_EBPF ? NB_PROG_FROM_POD : NB_PROG_ASSIST_FROM;
	why->is_detached = nb_datapath_attached(&why->dp, why->mode, why->pod->port.ifindex, NULL);
	place->side = NB_SIDE_INSIDE;
	place->ifindex = why->pod->port.ifindex;
	memcpy(place->src_mac, why->pod->port.mac, NB_MAC_LEN);
	memcpy(place->dst_mac, to ? to->port.mac : why->settings.bridge_mac, NB_MAC_LEN);
	why->tuple.src = why->pod->addr;
}

/* Programs at devices of the node: those that the map of devices has there. */
static int place_device(struct nb_why *why, bool leaves, struct nb_error *err)
{
	const struct nb_link *link = nb_why_link(why, why->place.ifindex);
	struct nb_place *place = &why->place;
	struct nb_device device = { 0 };
	int rc = nb_map_get(&why->dp, NB_MAP_DEVICES, &place->ifindex, &device, err);

	if (rc < 0)
		return rc;
	place->prog = NB_PROGS;
	place->side = leaves ? NB_SIDE_LEAVING : NB_SIDE_OUTSIDE;
	if (device.flags & NB_DEVICE_NB0) {
		place->prog = NB_PROG_NB0_OUT;
		place->side = NB_SIDE_INSIDE;
	} else if (leaves ? device.flags & NB_DEVICE_OUT : device.flags & NB_DEVICE_IN) {
		place->prog = leaves ? NB_PROG_DEVICE_OUT : NB_PROG_DEVICE_IN;
	}
	memcpy(place->src_mac, leaves && link ? link->mac : neighbour_mac, NB_MAC_LEN);
	memcpy(place->dst_mac, !leaves && link ? link->mac : neighbour_mac, NB_MAC_LEN);
	return 0;
}

/* What the node sends to an address of its own leaves by lo. */
static int place_node(struct nb_why *why, struct nb_error *err)
{
	struct nb_route route;
	int rc = nb_route_get(&why->nl, &why->question.dst, why->question.has_src ? &why->question.src : NULL,
			      0, &route, err);

	if (rc)
		return rc;
	why->tuple.src = why->question.has_src ? why->question.src : route.src;
	why->place.ifindex = route.index;
	return place_device(why, true, err);
}

/* What comes from outside comes in where the route back leads. */
static int place_outside(struct nb_why *why, struct nb_error *err)
{
	struct nb_route route;
	int rc = nb_route_get(&why->nl, &why->question.src, NULL, 0, &route, err);

	if (rc)
		return rc;
	why->tuple.src = why->question.src;
	why->place.ifindex = route.index;
	return place_device(why, false, err);
}

/* ---- who it is ---- */

/* A link that is no pod's port in a table: a pod of mode off, or no pod at all. */
static int not_a_pod(const struct nb_why *why, struct nb_error *err)
{
	const char *name = why->question.link;
	char network[NB_LINK_ALIAS_MAX];

	for (unsigned int i = 0; i < why->n_links; i++) {
		if (strcmp(why->links[i].name, name) != 0)
			continue;
		if (nb_host_veth_alias_network(why->links[i].alias, network))
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "\"%s\" is a port of network \"%s\" without an address of that "
				       "family, or its "
				       "mode is off: then natbridge translates nothing",
				       name, network);
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"%s\" is not the port of a pod; natbridgectl endpoint list has those", name);
	}
	return nb_fail(err, NB_ERR_CONFIG, 0, "there is no link \"%s\"", name);
}

/* Whether an address that no pod has lies where pods are. */
static bool is_near_pods(const struct nb_why *why, const struct nb_route *route)
{
	char network[NB_LINK_ALIAS_MAX];

	for (unsigned int i = 0; i < why->n_links; i++)
		if (why->links[i].master == route->index &&
		    nb_host_veth_alias_network(why->links[i].alias, network))
			return !route->has_gw;
	return false;
}

static int find_sender(struct nb_why *why, struct nb_error *err)
{
	const struct nb_question *question = &why->question;
	struct nb_route route;
	char addr[NB_ADDR_STRLEN];
	int rc;

	why->sender = NB_SENDER_NODE;
	if (question->is_node)
		return 0;
	rc = find_network(why, err);
	if (rc)
		return rc;
	why->sender = NB_SENDER_POD;
	if (*why->network)
		return 0;
	if (!question->has_src)
		return not_a_pod(why, err);
	if (!nb_addr_is_routable(&question->src))
		return nb_fail(err, NB_ERR_CONFIG, 0, "no packet to a Service has the source %s",
			       nb_addr_format(&question->src, addr));
	rc = nb_route_get(&why->nl, &question->src, NULL, 0, &route, err);
	if (rc)
		return rc;
	if (why->cli->network && strcmp(why->cli->network, NB_NODE_NETWORK) != 0)
		return nb_fail(err, NB_ERR_CONFIG, 0, "network \"%s\" has no pod with the address %s",
			       why->cli->network, nb_addr_format(&question->src, addr));
	if (is_near_pods(why, &route))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "no pod of this node has the address %s, or its mode is off: then natbridge "
			       "translates "
			       "nothing. natbridgectl endpoint list has the others",
			       nb_addr_format(&question->src, addr));
	why->sender = route.type == RTN_LOCAL ? NB_SENDER_NODE : NB_SENDER_OUTSIDE;
	return 0;
}

static __u8 proto_of(const struct nb_question *question)
{
	if (question->proto == IPPROTO_ICMP && !nb_addr_is_v4(&question->dst))
		return IPPROTO_ICMPV6;
	return question->proto;
}

static int find_place(struct nb_why *why, struct nb_error *err)
{
	if (why->sender == NB_SENDER_POD) {
		place_pod(why);
		return 0;
	}
	return why->sender == NB_SENDER_NODE ? place_node(why, err) : place_outside(why, err);
}

static void set_tuple(struct nb_why *why)
{
	const struct nb_question *question = &why->question;

	why->tuple.dst = question->dst;
	why->tuple.sport = question->sport;
	why->tuple.dport = question->dport;
	why->tuple.proto = proto_of(question);
	why->tuple.side = why->place.side;
}

/* Nobody has set up the node's own table: what the node and clients outside send is not natbridge's. */
static int no_table(struct nb_why *why, struct nb_error *err)
{
	int rc = nb_bpffs_require(why->cli->pin_root.bpffs, err);

	if (rc)
		return rc;
	*why->network = '\0';
	why->place.prog = NB_PROGS;
	why->tuple.src = why->question.src;
	set_tuple(why);
	return 0;
}

int nb_why_find_place(struct nb_why *why, struct nb_error *err)
{
	const struct nb_question *question = &why->question;
	int rc = nb_netlink_open(&why->nl, err);

	rc = rc ? rc : nb_link_list(&why->nl, NULL, 0, &why->links, &why->n_links, err);
	rc = rc ? rc : find_sender(why, err);
	if (rc)
		return rc;
	if (why->sender != NB_SENDER_POD)
		snprintf(why->network, sizeof(why->network), "%s", NB_NODE_NETWORK);
	rc = enter(why, err);
	if (rc == -ENOENT && why->sender != NB_SENDER_POD && !*question->service)
		return no_table(why, err);
	if (rc == -ENOENT)
		return nb_explain_missing(why->cli, why->network, rc, err);
	if (!rc && *question->service)
		rc = find_service(why, err);
	rc = rc ? rc : find_place(why, err);
	if (rc)
		return rc;
	snprintf(why->place.link, sizeof(why->place.link), "%s", nb_why_link_name(why, why->place.ifindex));
	set_tuple(why);
	meet_service(why);
	return 0;
}
