// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/ensure.h"
#include "lib/datapath/load.h"
#include "lib/datapath/port_state.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/net/link.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cmd.h"
#include "cmd_add.h"
#include "conf.h"
#include "mac_sync.h"
#include "mode_switch.h"
#include "netdev.h"
#include "report.h"
#include "vlan_follow.h"

/* Map sizes are those of the first ADD: an operator who has changed them since must be told that they do not
 * count. */
static void warn_of_limit(const struct nb_datapath *dp, enum nb_map map, __u32 wanted, const char *key)
{
	const __u32 rounded = map == NB_MAP_FLOWS ? NB_FLOW_WAYS - 1 : 0;
	__u32 room;

	if (!wanted || nb_map_capacity(dp, map, &room, NULL) || room - wanted <= rounded ||
	    (map == NB_MAP_CONNECTIONS && wanted < room)) /* then set_conntrack() lowers it */
		return;
	nb_log("%s %u is not in force: the datapath below \"%s\" was loaded with %u", key, wanted, dp->dir,
	       room);
}

static void log_on_host(const struct nb_service *service)
{
	char addr[NB_ADDR_STRLEN];

	nb_log("Service %s: %s is an address of this host, which gets its packets while it has the address",
	       service->name, nb_addr_format(&service->key.addr, addr));
}

/* Whether natbridge itself translates. */
static bool translates(const struct nb_conf *conf)
{
	return nb_conf_uses_datapath(conf) && conf->proxy.mode == NB_MODE_EBPF;
}

int nb_add_choose_services(struct nb_add *add, struct nb_error *err)
{
	const struct nb_services *all = &add->conf->proxy.services;

	if (!translates(add->conf) || !all->n)
		return 0;
	add->services.items = calloc(all->n, sizeof(*all->items));
	if (!add->services.items)
		return nb_fail_nomem(err);
	memcpy(add->services.items, all->items, all->n * sizeof(*all->items));
	add->services.n = all->n;
	return nb_services_mark_on_host(&add->services, &add->wire.host, log_on_host, err);
}

/* The pod that the maps give an address to, if its port is still served. */
static int find_user(struct nb_add *add, const struct nb_datapath *dp, const struct nb_addr *addr,
		     struct nb_link *user, struct nb_error *err)
{
	struct nb_endpoint endpoint;
	struct nb_port port;
	int found = nb_map_get(dp, NB_MAP_ENDPOINTS, addr, &endpoint, err);

	if (found > 0)
		found = nb_map_get(dp, NB_MAP_PORTS, &endpoint.slot, &port, err);
	if (found <= 0 || !port.ifindex ||
	    port.owner == nb_endpoint_owner(add->args->container_id, add->args->ifname))
		return found < 0 ? found : -ENODEV;
	found = nb_link_get_index(&add->wire.host, port.ifindex, user, err);
	return !found && !(user->flags & IFF_RUNNING) ? -ENODEV : found;
}

int nb_add_refuse_duplicates(struct nb_add *add, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	char text[NB_ADDR_STRLEN];
	struct nb_link user;
	int ret;

	if (!nb_conf_uses_datapath(add->conf) || !add->conf->enable_dad ||
	    nb_datapath_open(add->conf->proxy.bpffs, add->conf->name, false, &dp, NULL))
		return 0;
	for (size_t i = 0; i < add->result.n_ips; i++) {
		const struct nb_addr *addr = &add->result.ips[i].addr;

		ret = nb_addr_is_v4(addr) ? -ENODEV : find_user(add, &dp, addr, &user, err);
		if (!ret)
			return nb_fail(err, NB_ERR_SYSTEM, EADDRINUSE,
				       "address %s of \"%s\" is in use by the pod at port \"%s\"",
				       nb_addr_format(addr, text), add->args->ifname, user.name);
		if (ret != -ENODEV)
			return ret;
	}
	return 0;
}

/*
 * A config without gateway says nothing of where the host is. Pods that an earlier one gave a gateway keep
 * it, so the host stays where the maps have it, in one of the bridge's VLANs. Nothing there, or no maps: the
 * bridge.
 */
static void keep_former_host(struct nb_add *add)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	const size_t len = strlen(add->bridge.name);
	struct nb_settings settings;
	struct nb_link link;

	if (!add->conf->is_gateway &&
	    !nb_datapath_open(add->conf->proxy.bpffs, add->conf->name, false, &dp, NULL) &&
	    !nb_settings_read(&dp, &settings, NULL) &&
	    !nb_link_get_index(&add->wire.host, settings.bridge_ifindex, &link, NULL) &&
	    !strncmp(link.name, add->bridge.name, len) && link.name[len] == '.')
		add->host = link;
}

int nb_add_open_datapath(struct nb_add *add, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.bpffs = add->conf->proxy.bpffs,
		.network = add->conf->name,
		.mode = add->conf->proxy.mode,
		.limits = add->conf->proxy.limits,
	};
	int ret;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	keep_former_host(add);
	ret = nb_netdev_refetch(&add->wire, &add->host, err); /* for its MAC */
	if (!ret)
		ret = nb_datapath_ensure(&config, &add->dp, err);
	if (ret)
		return ret;
	if (add->dp.watch_fd < 0)
		nb_log("the kernel does not tell of qdiscs: limits that the bandwidth plugin sets hold for a "
		       "pod "
		       "only if natbridge has the capability \"bandwidth\" as well");
	if (!translates(add->conf)) {
		warn_of_limit(&add->dp, NB_MAP_FLOWS, config.limits.connections, "conntrack.max");
		return 0;
	}
	warn_of_limit(&add->dp, NB_MAP_CONNECTIONS, config.limits.connections, "conntrack.max");
	warn_of_limit(&add->dp, NB_MAP_FRONTENDS, config.limits.frontends, "limits.frontends");
	warn_of_limit(&add->dp, NB_MAP_BACKENDS, config.limits.backends, "limits.backends");
	return 0;
}

/* The bounds of all VIPs are widened by new ranges; they become narrow again when services are applied. */
static void set_ranges(const struct nb_conf *conf, struct nb_settings *settings)
{
	settings->n_service_cidrs = conf->proxy.n_ranges;
	memcpy(settings->service_cidrs, conf->proxy.ranges, sizeof(settings->service_cidrs));
	for (unsigned int i = 0; i < conf->proxy.n_ranges; i++)
		nb_prefix_cover(&settings->vips[nb_addr_is_v4(&conf->proxy.ranges[i].value)],
				&conf->proxy.ranges[i]);
}

/* Only what the config names: the rest stays as natbridgectl may have set it. */
static void set_conntrack(const struct nb_add *add, struct nb_settings *settings)
{
	__u32 max = add->conf->proxy.limits.connections;

	if (max && translates(add->conf) && !nb_settings_check_max(&add->dp, max, NULL))
		nb_setting_put(settings, NB_SETTING_MAX, max);
	for (unsigned int i = 0; i < NB_TIMEOUTS; i++)
		if (add->conf->proxy.timeouts[i])
			nb_setting_put(settings, i, add->conf->proxy.timeouts[i]);
}

static void set_fast_path(const struct nb_add *add, struct nb_settings *settings)
{
	const bool before = settings->flags & NB_SETTINGS_FAST_PATH;
	const bool fast = nb_cmd_fast_path(add->conf, &add->bridge);

	settings->flags &= ~NB_SETTINGS_FAST_PATH;
	if (fast)
		settings->flags |= NB_SETTINGS_FAST_PATH;
	if (before && !fast && add->conf->proxy.fast_path)
		nb_log("bridge \"%s\" filters by VLAN and network %s has no \"vlan\": what its pods send to "
		       "Services goes by the host's stack",
		       add->bridge.name, add->conf->name);
}

int nb_add_write_settings(struct nb_add *add, struct nb_error *err)
{
	struct nb_settings old, new;
	int ret;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	ret = nb_settings_read(&add->dp, &old, err);
	if (ret)
		return ret;
	new = old;
	new.bridge_ifindex = add->host.index;
	memcpy(new.bridge_mac, add->host.mac, sizeof(new.bridge_mac));
	add->new_bridge = old.bridge_ifindex != new.bridge_ifindex ||
			  memcmp(old.bridge_mac, new.bridge_mac, sizeof(new.bridge_mac)) != 0;
	if (old.bridge_ifindex != new.bridge_ifindex)
		add->old_bridge = old.bridge_ifindex;
	set_fast_path(add, &new);
	/* Stays: an earlier pod may have it, if the config has not any more. */
	if (add->conf->ip_spoof_check || add->conf->mac_spoof_check)
		new.flags |= NB_SETTINGS_SPOOFCHK;
	new.flags &= ~NB_SETTINGS_NOT_EXPEDITED;
	if (!add->conf->proxy.rcu_expedited)
		new.flags |= NB_SETTINGS_NOT_EXPEDITED;
	if (add->conf->shaped)
		new.flags |= NB_SETTINGS_SHAPED;
	set_ranges(add->conf, &new);
	set_conntrack(add, &new);
	return memcmp(&old, &new, sizeof(new)) ? nb_settings_write(&add->dp, &new, err) : 0;
}

int nb_add_apply_services(struct nb_add *add, struct nb_error *err)
{
	struct nb_service_changes changes;

	if (!translates(add->conf))
		return 0;
	return nb_service_apply(&add->dp, &add->services, NB_ORIGIN_CONFIG, &changes, err);
}

int nb_add_add_endpoint(struct nb_add *add, struct nb_error *err)
{
	struct nb_endpoint_spec spec;
	int ret;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	ret = nb_cmd_endpoint(add->args, add->conf, &add->result, &add->veth, &spec, err);
	spec.unconnected = true;
	return ret ? ret : nb_endpoint_add(&add->dp, &spec, err);
}

int nb_add_remove_endpoint(struct nb_add *add, struct nb_error *err)
{
	nb_datapath_close(&add->dp); /* it is opened anew: the lock may have been given back already */
	return nb_conf_uses_datapath(add->conf) ? nb_cmd_forget_endpoint(add->args, add->conf, err) : 0;
}

int nb_add_attach(struct nb_add *add, struct nb_error *err)
{
	int ret = 0;

	nb_close_fd(&add->dp.lock_fd);
	add->dp.lock_fd = -1;
	if (nb_conf_uses_datapath(add->conf))
		ret = nb_datapath_attach_bridge(&add->dp, add->conf->proxy.mode, add->conf->name,
						add->host.index, err);
	if (!ret && add->old_bridge)
		ret = nb_datapath_detach_bridge(add->conf->name, add->old_bridge, err);
	if (!ret && nb_conf_uses_datapath(add->conf))
		ret = nb_datapath_attach(&add->dp, add->conf->proxy.mode, add->veth.host.index, err);
	if (!ret && add->new_bridge)
		ret = nb_netdev_fix_mac(&add->wire, &add->host, err); /* frames for the host are sent to it */
	if (!ret && nb_conf_uses_datapath(add->conf))
		nb_mac_sync(&add->wire, &add->bridge, &add->dp);
	return ret;
}

int nb_add_change_mode(struct nb_add *add, struct nb_error *err)
{
	const bool used = nb_conf_uses_datapath(add->conf);
	const struct nb_vlan_change change = {
		.conf = add->conf,
		.result = &add->result,
		.bridge = &add->bridge,
		.host = &add->host,
		.port = &add->veth.host,
		.old_host = add->old_bridge,
	};
	int ret = 0;

	if (used)
		ret = nb_port_connected(&add->dp, add->veth.host.index, err);
	if (ret)
		return ret;
	nb_vlan_follow(&add->wire, &change, used ? &add->dp : NULL);
	nb_mode_switch(&add->wire, add->conf, &add->bridge, &add->host, &add->dp);
	nb_cmd_follow_ports(&add->dp, add->conf, &add->wire.host);
	nb_datapath_close(&add->dp);
	return 0;
}
