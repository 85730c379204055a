// SPDX-License-Identifier: GPL-2.0-or-later
/* ADD and the datapath: maps, settings, Services, programs. */
#include "cmd_add_datapath.h"

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
#include "lib/service/change.h"
#include "lib/service/host_addr.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cmd_add.h"
#include "cmd_datapath.h"
#include "conf.h"
#include "mac_sync.h"
#include "mode_switch.h"
#include "netdev.h"
#include "netdev_bridge.h"
#include "report.h"
#include "vlan_follow.h"

/* Warns that a size in the config, changed since the first ADD, has no effect: maps keep their size. */
static void warn_of_limit(const struct nb_datapath *dp, enum nb_map map, __u32 wanted, const char *key)
{
	const __u32 rounded = map == NB_MAP_FLOWS ? NB_FLOW_WAYS - 1 : 0;
	__u32 capacity;

	if (!wanted || nb_map_capacity(dp, map, &capacity, NULL) || capacity - wanted <= rounded)
		return;
	/* A smaller maximum of connections is in force: set_conntrack() writes it into the settings. */
	if (map == NB_MAP_CONNECTIONS && wanted < capacity)
		return;
	nb_log("%s %u is not in force: the datapath below \"%s\" was loaded with %u", key, wanted, dp->dir,
	       capacity);
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
	return nb_services_mark_on_host(&add->services, &add->netdev.host, log_on_host, err);
}

/*
 * Finds the port of the pod to which the maps give an address. -ENODEV: none that
 * is up, or this one's own.
 */
static int find_user(struct nb_add *add, const struct nb_datapath *dp, const struct nb_addr *addr,
		     struct nb_link *user, struct nb_error *err)
{
	struct nb_endpoint endpoint;
	struct nb_port port;
	int rc = nb_map_get(dp, NB_MAP_ENDPOINTS, addr, &endpoint, err);

	if (rc <= 0)
		return rc ? rc : -ENODEV;
	rc = nb_map_get(dp, NB_MAP_PORTS, &endpoint.slot, &port, err);
	if (rc <= 0)
		return rc ? rc : -ENODEV;
	if (!port.ifindex || port.owner == nb_endpoint_owner(add->args->container_id, add->args->ifname))
		return -ENODEV;
	rc = nb_link_get_index(&add->netdev.host, port.ifindex, user, err);
	if (rc)
		return rc;
	return user->flags & IFF_RUNNING ? 0 : -ENODEV;
}

int nb_add_refuse_duplicates(struct nb_add *add, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	char text[NB_ADDR_STRLEN];
	struct nb_link user;

	if (!nb_conf_uses_datapath(add->conf) || !add->conf->enable_dad ||
	    nb_datapath_open(&add->conf->proxy.pin_root, add->conf->name, false, &dp, NULL))
		return 0;
	for (size_t i = 0; i < add->result.n_ips; i++) {
		const struct nb_addr *addr = &add->result.ips[i].addr;
		int rc;

		if (nb_addr_is_v4(addr))
			continue;
		rc = find_user(add, &dp, addr, &user, err);
		if (!rc)
			return nb_fail(err, NB_ERR_SYSTEM, EADDRINUSE,
				       "address %s of \"%s\" is in use by the pod at port \"%s\"",
				       nb_addr_format(addr, text), add->args->ifname, user.name);
		if (rc != -ENODEV)
			return rc;
	}
	return 0;
}

/*
 * A config without isGateway does not say where pods reach the host. Pods of an earlier config
 * keep their gateway, so the host stays where the maps have it if that is in a VLAN of the
 * bridge, else it is the bridge.
 */
static void keep_former_host(struct nb_add *add)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	const size_t len = strlen(add->bridge.name);
	struct nb_settings settings;
	struct nb_link link;

	if (!add->conf->is_gateway &&
	    !nb_datapath_open(&add->conf->proxy.pin_root, add->conf->name, false, &dp, NULL) &&
	    !nb_settings_read(&dp, &settings, NULL) &&
	    !nb_link_get_index(&add->netdev.host, settings.bridge_ifindex, &link, NULL) &&
	    !strncmp(link.name, add->bridge.name, len) && link.name[len] == '.')
		add->host = link;
}

int nb_add_open_datapath(struct nb_add *add, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.root = &add->conf->proxy.pin_root,
		.network = add->conf->name,
		.mode = add->conf->proxy.mode,
		.limits = add->conf->proxy.limits,
	};
	int rc;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	keep_former_host(add);
	rc = nb_netdev_refetch(&add->netdev, &add->host, err); /* for its MAC */
	if (rc)
		return rc;
	rc = nb_datapath_ensure(&config, &add->dp, err);
	if (rc)
		return rc;
	if (add->dp.watch_fd < 0)
		nb_log("this kernel does not report new qdiscs: the bandwidth plugin limits a pod only if "
		       "natbridge has the capability \"bandwidth\" as well");
	if (!translates(add->conf)) {
		warn_of_limit(&add->dp, NB_MAP_FLOWS, config.limits.connections, "conntrack.max");
		return 0;
	}
	warn_of_limit(&add->dp, NB_MAP_CONNECTIONS, config.limits.connections, "conntrack.max");
	warn_of_limit(&add->dp, NB_MAP_FRONTENDS, config.limits.frontends, "limits.frontends");
	warn_of_limit(&add->dp, NB_MAP_BACKENDS, config.limits.backends, "limits.backends");
	return 0;
}

/* Those of natbridge-agent stay, unless the config has some. */
static void set_ranges(const struct nb_conf *conf, struct nb_settings *settings)
{
	if (!conf->proxy.n_ranges && settings->flags & NB_SETTINGS_CLUSTER_CIDRS)
		return;
	settings->flags &= ~NB_SETTINGS_CLUSTER_CIDRS;
	nb_settings_put_ranges(settings, conf->proxy.ranges, conf->proxy.n_ranges);
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
	const bool fast = nb_cni_fast_path(add->conf, &add->bridge);

	settings->flags &= ~NB_SETTINGS_FAST_PATH;
	if (fast)
		settings->flags |= NB_SETTINGS_FAST_PATH;
	if (before && !fast && add->conf->proxy.fast_path)
		nb_log("bridge \"%s\" filters by VLAN and network \"%s\" has no \"vlan\": packets of its "
		       "pods to "
		       "Services go through the host's stack",
		       add->bridge.name, add->conf->name);
}

int nb_add_write_settings(struct nb_add *add, struct nb_error *err)
{
	struct nb_settings old, new;
	int rc;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	rc = nb_settings_read(&add->dp, &old, err);
	if (rc)
		return rc;
	new = old;
	new.bridge_ifindex = add->host.index;
	memcpy(new.bridge_mac, add->host.mac, sizeof(new.bridge_mac));
	add->new_host = old.bridge_ifindex != new.bridge_ifindex ||
			memcmp(old.bridge_mac, new.bridge_mac, sizeof(new.bridge_mac)) != 0;
	if (old.bridge_ifindex != new.bridge_ifindex)
		add->old_host = old.bridge_ifindex;
	set_fast_path(add, &new);
	/* It is never cleared: earlier pods may have the check even if the config no longer has it. */
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
	int rc;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	rc = nb_cni_endpoint(add->args, add->conf, &add->result, &add->veth, &spec, err);
	if (rc)
		return rc;
	spec.unconnected = true;
	return nb_endpoint_add(&add->dp, &spec, err);
}

int nb_add_remove_endpoint(struct nb_add *add, struct nb_error *err)
{
	/* Opened anew, with the lock, which nb_add_attach() may have given back already. */
	nb_datapath_close(&add->dp);
	return nb_conf_uses_datapath(add->conf) ? nb_cni_forget_endpoint(add->args, add->conf, err) : 0;
}

int nb_add_attach(struct nb_add *add, struct nb_error *err)
{
	const enum nb_mode mode = add->conf->proxy.mode;
	int rc;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	nb_close_fd(&add->dp.lock_fd);
	add->dp.lock_fd = -1;
	rc = nb_datapath_attach_bridge(&add->dp, mode, add->conf->name, add->host.index, err);
	if (rc)
		return rc;
	if (add->old_host) {
		rc = nb_datapath_detach_bridge(add->conf->name, add->old_host, err);
		if (rc)
			return rc;
	}
	rc = nb_datapath_attach(&add->dp, mode, add->veth.host.index, err);
	if (rc)
		return rc;
	/* The programs send frames for the host to this MAC. */
	if (add->new_host) {
		rc = nb_netdev_fix_mac(&add->netdev, &add->host, err);
		if (rc)
			return rc;
	}
	nb_mac_sync(&add->netdev, &add->bridge, &add->dp);
	return 0;
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
		.old_host = add->old_host,
	};

	if (used) {
		int rc = nb_port_connected(&add->dp, add->veth.host.index, err);

		if (rc)
			return rc;
	}
	nb_vlan_follow(&add->netdev, &change, used ? &add->dp : NULL);
	nb_mode_switch(&add->netdev, add->conf, &add->bridge, &add->host, &add->dp);
	nb_cni_follow_ports(&add->dp, add->conf, &add->netdev.host);
	nb_datapath_close(&add->dp);
	return 0;
}
