// SPDX-License-Identifier: GPL-2.0-or-later
/* The port of a pod on the node: its name and what can be said of it. */
#include "port_describe.h"

#include "lib/maps/settings.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "attach.h"

const char *nb_port_look_name(enum nb_port_look look)
{
	switch (look) {
	case NB_PORT_LOOK_ATTACHED:
		return "attached";
	case NB_PORT_LOOK_DETACHED:
		return "detached";
	default:
		return nb_port_state_name((enum nb_port_state)look);
	}
}

const char *nb_port_name(unsigned int ifindex, char buf[IF_NAMESIZE])
{
	if (!if_indextoname(ifindex, buf))
		*buf = '\0';
	return buf;
}

int nb_port_links_here(const struct nb_datapath *dp, struct nb_port_links *links, struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	int rc = nb_netlink_open(&nl, err);

	return rc ? rc : nb_port_links_read(dp, &nl, links, err);
}

enum nb_port_look nb_port_look(const struct nb_datapath *dp, const struct nb_port_links *links,
			       unsigned int ifindex)
{
	enum nb_port_state state = NB_PORT_STATE_FORWARDING;
	char name[IF_NAMESIZE];
	enum nb_mode mode;

	if (!if_indextoname(ifindex, name))
		state = NB_PORT_STATE_GONE;
	else if (links->known)
		state = nb_port_state_of(links, ifindex);
	if (state != NB_PORT_STATE_FORWARDING)
		return (enum nb_port_look)state;
	if (nb_datapath_mode(dp, &mode, NULL) || nb_datapath_attached(dp, mode, ifindex, NULL))
		return NB_PORT_LOOK_DETACHED;
	return NB_PORT_LOOK_ATTACHED;
}
