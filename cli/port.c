// SPDX-License-Identifier: GPL-2.0-or-later
#include "port.h"

#include <natbridge/conntrack.h>

#include <stddef.h>

const char *nb_port_name(unsigned int ifindex, char buf[IF_NAMESIZE])
{
	if (!if_indextoname(ifindex, buf))
		*buf = '\0';
	return buf;
}

const char *nb_port_state(const struct nb_datapath *dp, unsigned int ifindex)
{
	char name[IF_NAMESIZE];
	enum nb_mode mode;

	if (!if_indextoname(ifindex, name))
		return "gone";
	return nb_datapath_mode(dp, &mode, NULL) || nb_datapath_attached(dp, mode, ifindex, NULL)
		       ? "detached"
		       : "attached";
}
