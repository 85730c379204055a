// SPDX-License-Identifier: GPL-2.0-or-later
/* The ports of pods: whether they are there, forward, and have the programs. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/port_state.h"
#include "lib/datapath/tc_hook.h"
#include "lib/net/host_veth.h"
#include "lib/net/qdisc.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "checks.h"

static const struct nb_port *find_port(const struct nb_doctor_network *network, unsigned int ifindex)
{
	for (unsigned int i = 0; i < network->n_ports; i++)
		if (network->ports[i].ifindex == ifindex)
			return &network->ports[i];
	return NULL;
}

/* The addresses of a port's pod, in words. */
static const char *addresses_of(struct nb_doctor *doctor, const struct nb_doctor_network *network,
				unsigned int ifindex)
{
	const char *text = "";

	for (size_t i = 0; i < network->endpoints.n; i++) {
		const struct nb_endpoint_info *info = &network->endpoints.items[i];
		char addr[NB_ADDR_STRLEN];

		if (info->port.ifindex == ifindex)
			text = nb_doctor_text(doctor, "%s%s%s", text, *text ? ", " : "",
					      nb_addr_format(&info->addr, addr));
	}
	return *text ? text : "no address";
}

int nb_check_port_gone(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	(void)err;
	/* In another namespace than the node's, all are gone: the check of the bridge says so. */
	if (!network->bridge)
		return 0;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const unsigned int ifindex = network->ports[i].ifindex;

		if (!nb_doctor_link(doctor, ifindex))
			nb_found(doctor, nb_doctor_link_name(doctor, ifindex),
				 nb_doctor_text(doctor, "%s: the maps have a pod (%s) whose port is gone",
						network->name, addresses_of(doctor, network, ifindex)),
				 "let the runtime delete the pod; a GC of the network removes it as well");
	}
	return 0;
}

int nb_check_port_left(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	(void)err;
	for (unsigned int i = 0; i < doctor->n_links; i++) {
		const struct nb_link *link = &doctor->links[i];

		/* An ADD sets the link up once the maps have the pod. */
		if (nb_host_veth_is_of_network(link, network->name) && link->flags & IFF_UP &&
		    !find_port(network, link->index))
			nb_found_link(
				doctor, link,
				nb_doctor_text(
					doctor,
					"%s: the link is a pod's port (%s), and the maps have no such pod",
					network->name, link->alias),
				"recreate the pod; if there is none, a GC of the network removes the link");
	}
	return 0;
}

static const char *state_fix(struct nb_doctor *doctor, enum nb_port_state state, const struct nb_link *link,
			     const struct nb_link *bridge)
{
	if (state == NB_PORT_STATE_OFF_BRIDGE)
		return nb_doctor_text(doctor, "ip link set %s master %s", link->name, bridge->name);
	if (state == NB_PORT_STATE_DOWN)
		return nb_doctor_text(doctor, "ip link set %s up", link->name);
	return nb_doctor_text(doctor, "bridge link set dev %s state 3, or wait for spanning tree",
			      link->name);
}

int nb_check_port_state(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	(void)err;
	if (!network->bridge)
		return 0;
	const struct nb_port_links links = {
		.known = true, .bridge = *network->bridge, .all = doctor->links, .n = doctor->n_links
	};
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const enum nb_port_state state = nb_port_state_of(&links, network->ports[i].ifindex);
		const struct nb_link *link = nb_doctor_link(doctor, network->ports[i].ifindex);

		if (!link || state == NB_PORT_STATE_FORWARDING || state == NB_PORT_STATE_BRIDGE_DOWN)
			continue;
		nb_found_link(doctor, link,
			      nb_doctor_text(doctor, "%s: the pod's port is %s (%s)", network->name,
					     nb_port_state_name(state),
					     addresses_of(doctor, network, link->index)),
			      state_fix(doctor, state, link, network->bridge));
	}
	return 0;
}

int nb_check_port_program(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			  struct nb_error *err)
{
	(void)err;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const struct nb_link *link = nb_doctor_link(doctor, network->ports[i].ifindex);
		struct nb_error why = { 0 };

		if (link && nb_datapath_attached(&network->dp, network->mode, link->index, &why))
			nb_found_link(
				doctor, link, nb_doctor_text(doctor, "%s: %s", network->name, why.msg),
				"delete and recreate the pod, and find what removes programs: another tool "
				"that manages tc or tcx");
	}
	return 0;
}

/* Whether the program is natbridge's, by its name; *name is its name, if it can be read. */
static bool is_ours(__u32 id, char name[BPF_OBJ_NAME_LEN])
{
	nb_autoclose int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info;

	snprintf(name, BPF_OBJ_NAME_LEN, "?");
	if (fd < 0 || nb_prog_info(fd, &info))
		return false;
	snprintf(name, BPF_OBJ_NAME_LEN, "%s", info.name);
	return !strncmp(name, "nb_", 3);
}

/* Programs in front of ours. Those in clsact, which runs behind tcx, and before Linux 6.6, are not seen. */
static void check_hook(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       const struct nb_link *link, bool is_ingress)
{
	const struct nb_tc_hook hook = { .ifindex = link->index, .is_ingress = is_ingress };
	__u32 ids[TCX_PROGS_MAX], n = 0;
	char name[BPF_OBJ_NAME_LEN];

	if (nb_tcx_list(&hook, ids, &n))
		return;
	for (__u32 i = 0; i < n && !is_ours(ids[i], name); i++)
		nb_found_link(
			doctor, link,
			nb_doctor_text(doctor,
				       "%s: the program \"%s\" (id %u) of somebody else runs first at %s",
				       network->name, name, ids[i], is_ingress ? "ingress" : "egress"),
			nb_doctor_text(doctor,
				       "bpftool net show dev %s; end what attached it, if it is not "
				       "meant to be there",
				       link->name));
}

int nb_check_port_foreign(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			  struct nb_error *err)
{
	(void)err;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const struct nb_link *link = nb_doctor_link(doctor, network->ports[i].ifindex);

		for (int ingress = 0; ingress < 2 && link; ingress++)
			check_hook(doctor, network, link, ingress);
	}
	return 0;
}

int nb_check_port_isolated(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			   struct nb_error *err)
{
	(void)err;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const struct nb_port *port = &network->ports[i];
		const struct nb_link *link = nb_doctor_link(doctor, port->ifindex);
		const bool wanted = port->flags & NB_PORT_ISOLATED;

		if (!link || !link->has_port || link->isolated == wanted)
			continue;
		nb_found_link(doctor, link,
			      nb_doctor_text(doctor, "%s: the bridge %s the port, and natbridge %s",
					     network->name, link->isolated ? "isolates" : "does not isolate",
					     wanted ? "does" : "does not"),
			      nb_doctor_text(doctor,
					     "bridge link set dev %s isolated %s, or set portIsolation and "
					     "recreate the pod",
					     link->name, wanted ? "on" : "off"));
	}
	return 0;
}

int nb_check_port_shaped(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	if (!(network->settings.flags & NB_SETTINGS_FAST_PATH))
		return 0;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const struct nb_port *port = &network->ports[i];
		const struct nb_link *link = nb_doctor_link(doctor, port->ifindex);
		char kind[NB_QDISC_KIND_MAX] = "";

		if (!link || port->flags & NB_PORT_NO_FAST_PATH)
			continue;
		int rc = nb_qdisc_find(&doctor->nl, link->index, kind, err);
		if (rc && rc != -ENODEV)
			return rc;
		if (*kind)
			nb_found_link(
				doctor, link,
				nb_doctor_text(doctor,
					       "%s: the port has a qdisc \"%s\", and is on the fast path",
					       network->name, kind),
				"recreate the pod; give natbridge the capability \"bandwidth\" where the "
				"bandwidth plugin sets it");
	}
	return 0;
}
