// SPDX-License-Identifier: GPL-2.0-or-later
/* The port of a pod on the node: its name and its state. */
#include "port.h"

#include <stddef.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/port_state.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

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
	if (rc)
		return rc;
	return nb_port_links_read(dp, &nl, links, err);
}

const char *nb_port_describe(const struct nb_datapath *dp, const struct nb_port_links *links,
			     unsigned int ifindex)
{
	enum nb_port_state state;
	char name[IF_NAMESIZE];
	enum nb_mode mode;

	if (!if_indextoname(ifindex, name))
		return nb_port_state_name(NB_PORT_STATE_GONE);
	state = links->known ? nb_port_state_of(links, ifindex) : NB_PORT_STATE_FORWARDING;
	if (state != NB_PORT_STATE_FORWARDING)
		return nb_port_state_name(state);
	if (nb_datapath_mode(dp, &mode, NULL) || nb_datapath_attached(dp, mode, ifindex, NULL))
		return "detached";
	return "attached";
}
