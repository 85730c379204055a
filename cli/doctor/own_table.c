// SPDX-License-Identifier: GPL-2.0-or-later
/* What the node's own table needs: nb0 and its routes, programs at devices, and two settings of the kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/devices.h"
#include "lib/maps/prefix.h"
#include "lib/net/route.h"
#include "lib/net/sysctl.h"
#include "lib/node/nb0.h"
#include "lib/node/node_routes.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "checks.h"

#define AGENT_DOES "start or restart natbridge-agent, which makes it anew"

enum { OUR_PORTS_FIRST = 61000 /* up to 65535: source ports of the table's connections */ };

/* ---- nb0 ---- */

/* False: there is no nb0, or it is not the one that the programs know. */
static bool find_nb0(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_link *link)
{
	struct nb_nb0 nb0;

	return !nb_nb0_find(&doctor->nl, &nb0, NULL) && nb0.ifindex == network->settings.bridge_ifindex &&
	       !nb_link_get_index(&doctor->nl, nb0.ifindex, link, NULL);
}

int nb_check_nb0(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	struct nb_link link;

	(void)err;
	if (!find_nb0(doctor, network, &link))
		nb_found(doctor, NB_NB0_NAME,
			 nb_doctor_text(doctor, "there is no link %u with natbridge's \"%s\"",
					network->settings.bridge_ifindex, NB_NB0_NAME),
			 AGENT_DOES);
	else if (!(link.flags & IFF_UP))
		nb_found(doctor, NB_NB0_NAME, "\"" NB_NB0_NAME "\" is down",
			 "ip link set " NB_NB0_NAME " up");
	return 0;
}

/* ---- its routes ---- */

static bool leads_to(const struct nb_route *route, const struct nb_addr *dst, unsigned int len)
{
	return route->prefix_len == len && nb_addr_equal(&route->dst, dst);
}

static void check_route(struct nb_doctor *doctor, const struct nb_link *nb0, const struct nb_route *routes,
			unsigned int n, const struct nb_addr *dst, unsigned int len)
{
	const struct nb_route *other = NULL;
	char text[NB_ADDR_STRLEN];
	bool ours = false;

	nb_addr_format(dst, text);
	for (unsigned int i = 0; i < n; i++) {
		if (!leads_to(&routes[i], dst, len))
			continue;
		if (routes[i].index == nb0->index && routes[i].protocol == NB_ROUTE_PROTOCOL)
			ours = true;
		else
			other = &routes[i];
	}
	if (other)
		nb_found(doctor, nb_doctor_text(doctor, "%s/%u", text, len),
			 nb_doctor_text(doctor, "a route of somebody else to it leads to \"%s\"",
					nb_doctor_link_name(doctor, other->index)),
			 nb_doctor_text(doctor, "ip route show %s/%u; remove the route, or find who makes it",
					text, len));
	else if (!ours)
		nb_found(doctor, nb_doctor_text(doctor, "%s/%u", text, len),
			 "no route leads from it to \"" NB_NB0_NAME "\"",
			 AGENT_DOES "; systemd-networkd removes such routes unless ManageForeignRoutes=no");
}

static int check_family(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			const struct nb_link *nb0, int family, struct nb_error *err)
{
	const struct nb_route_query query = { .family = family, .table = 254 /* main */, .any_type = true };
	const struct nb_settings *settings = &network->settings;
	nb_autofree struct nb_route *routes = NULL;
	unsigned int n = 0;
	int rc = nb_route_query(&doctor->nl, &query, &routes, &n, err);

	for (__u32 i = 0; i < settings->n_service_cidrs && i < NB_MAX_SERVICE_CIDRS && !rc; i++)
		if (nb_addr_family(&settings->service_cidrs[i].value) == family)
			check_route(doctor, nb0, routes, n, &settings->service_cidrs[i].value,
				    nb_prefix_len(&settings->service_cidrs[i]));
	return rc;
}

int nb_check_nb0_route(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	struct nb_link nb0;

	/* Without nb0, or while it is down, there are none: another check says so. */
	if (!find_nb0(doctor, network, &nb0) || !(nb0.flags & IFF_UP))
		return 0;
	int rc = check_family(doctor, network, &nb0, AF_INET, err);
	return rc ? rc : check_family(doctor, network, &nb0, AF_INET6, err);
}

/* ---- devices ---- */

static void check_hook(struct nb_doctor *doctor, const struct nb_doctor_network *network, enum nb_hook hook,
		       const struct nb_link *link)
{
	struct nb_error why = { 0 };

	if (nb_datapath_attached_device(&network->dp, hook, link->index, &why))
		nb_found_link(
			doctor, link, nb_doctor_text(doctor, "%s", why.msg),
			"restart natbridge-agent, and find what removes programs: another tool that manages "
			"tc or tcx");
}

int nb_check_device_program(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			    struct nb_error *err)
{
	static const struct {
		__u32 flag;
		enum nb_hook hook;
	} hooks[] = {
		{ NB_DEVICE_IN, NB_HOOK_DEVICE_IN },
		{ NB_DEVICE_OUT, NB_HOOK_DEVICE_OUT },
		{ NB_DEVICE_NB0, NB_HOOK_NB0_OUT },
	};
	nb_cleanup(nb_devices_free) struct nb_devices devices = { 0 };
	int rc = nb_devices_read(&network->dp, &devices, err);

	for (size_t i = 0; i < devices.all.n && !rc; i++) {
		const struct nb_device_at *at = &devices.all.items[i];
		const struct nb_link *link = nb_doctor_link(doctor, at->ifindex);

		/* A device that has gone needs none: the agent takes it out of the map. */
		for (size_t k = 0; k < sizeof(hooks) / sizeof(hooks[0]) && link; k++)
			if (at->device.flags & hooks[k].flag)
				check_hook(doctor, network, hooks[k].hook, link);
	}
	return rc;
}

int nb_check_accept_local(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			  struct nb_error *err)
{
	nb_cleanup(nb_devices_free) struct nb_devices devices = { 0 };
	int rc = nb_devices_read(&network->dp, &devices, err);
	char text[64];

	for (size_t i = 0; i < devices.all.n && !rc; i++) {
		const struct nb_link *link = nb_doctor_link(doctor, devices.all.items[i].ifindex);

		/* Only with something for clients outside is lo among the devices. */
		if (!link || !(link->flags & IFF_LOOPBACK))
			continue;
		rc = nb_sysctl_read("net/ipv4/conf/lo/accept_local", text, sizeof(text), err);
		if (!rc && !strcmp(text, "0"))
			nb_found(doctor, "lo", "net.ipv4.conf.lo.accept_local is 0",
				 "sysctl -w net.ipv4.conf.lo.accept_local=1");
	}
	return rc;
}

/* ---- source ports ---- */

static bool parse_port(const char *text, unsigned int *port)
{
	unsigned long long value;

	if (!text || !nb_uint_parse(text, 0, 65535, &value))
		return false;
	*port = (unsigned int)value;
	return true;
}

/* Whether a list such as "1,5-9" has all ports from first to last in one of its ranges. */
static bool reserves(char *list, unsigned int first, unsigned int last)
{
	char *range, *from, *to;

	while ((range = strsep(&list, ","))) {
		unsigned int low, high;

		from = strsep(&range, "-");
		to = range ? range : from;
		if (parse_port(from, &low) && parse_port(to, &high) && low <= first && high >= last)
			return true;
	}
	return false;
}

int nb_check_local_ports(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	unsigned int first = 0, last = 0;
	char range[64], reserved[64] = "";
	char *rest = range;
	int rc = nb_sysctl_read("net/ipv4/ip_local_port_range", range, sizeof(range), err);

	(void)network;
	if (rc)
		return rc;
	const char *from = strsep(&rest, " \t");
	/* A list that is longer than what can be read here is not judged. */
	if (!parse_port(from, &first) || !parse_port(rest, &last) || last < OUR_PORTS_FIRST ||
	    nb_sysctl_read("net/ipv4/ip_local_reserved_ports", reserved, sizeof(reserved), NULL))
		return 0;
	first = first < OUR_PORTS_FIRST ? OUR_PORTS_FIRST : first;
	if (!reserves(reserved, first, last))
		nb_found(doctor, "net.ipv4.ip_local_port_range",
			 nb_doctor_text(doctor,
					"the kernel gives out source ports %u to %u, which are the table's",
					first, last),
			 "sysctl -w net.ipv4.ip_local_reserved_ports=61000-65535");
	return 0;
}
