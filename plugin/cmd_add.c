// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/cleanup.h>
#include <natbridge/conntrack.h>
#include <natbridge/datapath.h>
#include <natbridge/json.h>
#include <natbridge/macspoof.h>
#include <natbridge/map.h>
#include <natbridge/prefix.h>
#include <natbridge/service.h>

#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ipam.h"
#include "masq.h"
#include "mode.h"
#include "moved.h"
#include "output.h"
#include "wire.h"

/* What the steps of one ADD hand to each other. */
struct add {
	const struct nb_args *args;
	const struct nb_conf *conf;
	struct nb_attachment id;
	int netns_fd;
	struct nb_wire wire;
	struct nb_link bridge;
	struct nb_link host; /* where the host is reached: the bridge, or its gateway's interface in a VLAN */
	bool in_vlan;        /* the latter */
	struct nb_wire_veth veth;
	struct nb_datapath dp; /* open from open_datapath() to attach(), and locked until the latter begins */
	struct nb_services services; /* of the config, without those on an address of the host; backends are
					the config's */
	unsigned int old_bridge;     /* ifindex of another one that the maps had; 0: none */
	bool new_bridge;             /* the maps did not have this bridge, or another MAC of it */
	struct nb_result result;
};

static void add_free(struct add *add)
{
	nb_datapath_close(&add->dp);
	nb_wire_close(&add->wire);
	nb_close_fd(&add->netns_fd);
	nb_result_free(&add->result);
	free(add->services.items);
}

static int open_netns(struct add *add, struct nb_error *err)
{
	int ret = nb_cmd_open_netns(add->args, &add->netns_fd, err);

	return ret ? ret : nb_wire_open(&add->wire, add->netns_fd, err);
}

/* Before there is anything to undo, and before the network gets a bridge that would not go again. */
static int ask_kernel(struct add *add, struct nb_error *err)
{
	const struct nb_conf *conf = add->conf;

	if (!nb_conf_uses_datapath(conf))
		return 0;
	return nb_datapath_possible(conf->proxy.bpffs, conf->name, conf->proxy.mode, err);
}

static int ensure_bridge(struct add *add, struct nb_error *err)
{
	const struct nb_wire_bridge_spec spec = {
		.name = add->conf->bridge,
		.mtu = add->conf->mtu,
		.promisc = add->conf->promisc_mode,
		.vlan_filtering = add->conf->vlan_filtering,
	};
	int ret = nb_wire_ensure_bridge(&add->wire, &spec, &add->bridge, err);

	add->host = add->bridge;
	if (!ret && spec.vlan_filtering && !add->bridge.vlan_filtering)
		nb_log("bridge \"%s\" does not filter VLANs: \"vlan\" and \"vlanTrunk\" have no effect",
		       spec.name);
	return ret;
}

static int add_veth(struct add *add, struct nb_error *err)
{
	struct nb_wire_veth_spec spec = {
		.id = &add->id,
		.bridge = &add->bridge,
		.mtu = add->conf->mtu,
		.mac = add->conf->has_mac ? add->conf->mac : NULL,
		.hairpin = add->conf->hairpin_mode,
		.isolated = add->conf->port_isolation,
		.preserve_default_vlan = add->conf->preserve_default_vlan,
	};

	nb_conf_port_vlans(add->conf, &spec.vlans);
	return nb_wire_add_veth(&add->wire, &spec, &add->veth, err);
}

/* The port's flags and FDB entry go with it, the programs on it as well. */
static int remove_veth(struct add *add, struct nb_error *err)
{
	const struct nb_wire_delete_spec spec = {
		.id = &add->id,
		.bridge = add->conf->bridge,
		.prev_ifname = add->veth.host.name,
	};

	return nb_wire_delete(&add->wire, &spec, err);
}

static int allocate(struct add *add, struct nb_error *err)
{
	return add->conf->ipam_type ? nb_ipam_add(add->conf, add->args, &add->result, err) : 0;
}

static int release(struct add *add, struct nb_error *err)
{
	return add->conf->ipam_type ? nb_ipam_run(add->conf, add->args, NB_CMD_DEL, err) : 0;
}

static int plan_gateways(struct add *add, struct nb_error *err)
{
	return nb_wire_plan_gateways(&add->result, add->conf->is_gateway, add->conf->is_default_gateway, err);
}

static int configure_pod(struct add *add, struct nb_error *err)
{
	if (add->conf->disable_container_interface)
		return 0;
	if (!add->conf->ipam_type)
		return nb_wire_pod_up(&add->wire, &add->veth, err);
	return nb_wire_configure_pod(&add->wire, &add->veth, &add->result, add->conf->enable_dad, err);
}

static int ensure_gateway(struct add *add, struct nb_error *err)
{
	const struct nb_wire_vlan_spec vlan = {
		.bridge = &add->bridge,
		.vlan = add->conf->vlan,
		.preserve_default = add->conf->preserve_default_vlan,
	};
	int ret = 0;

	if (!add->conf->is_gateway || !add->conf->ipam_type)
		return 0;
	add->in_vlan = vlan.vlan != 0;
	if (add->in_vlan)
		ret = nb_wire_ensure_vlan_host(&add->wire, &vlan, &add->host, err);
	if (!ret)
		ret = nb_wire_ensure_gateway(&add->wire, &add->host, &add->result, add->conf->force_address,
					     err);
	return ret;
}

static int check_macs(struct add *add, struct nb_error *err)
{
	if (!add->conf->mac_spoof_check)
		return 0;
	return nb_macspoof_add(&add->id, add->veth.host.name, add->veth.pod.mac, err);
}

static int stop_checking_macs(struct add *add, struct nb_error *err)
{
	return add->conf->mac_spoof_check ? nb_macspoof_delete(&add->id, err) : 0;
}

static int masquerade(struct add *add, struct nb_error *err)
{
	if (!add->conf->ip_masq || !add->conf->ipam_type)
		return 0;
	return nb_masq_add(add->conf->masq_backend, &add->id, add->result.ips, add->result.n_ips, err);
}

static int stop_masquerading(struct add *add, struct nb_error *err)
{
	return add->conf->ip_masq && add->conf->ipam_type ? nb_masq_delete(&add->id, err) : 0;
}

/* Map sizes are those of the first ADD: an operator who has changed them since must be told that they do not
 * count. */
static void warn_of_limit(const struct nb_datapath *dp, enum nb_map map, __u32 wanted, const char *key)
{
	const __u32 rounded = map == NB_MAP_FLOWS ? NB_FLOW_WAYS - 1 : 0;
	__u32 room;

	if (!wanted || nb_map_room(dp, map, &room, NULL) || room - wanted <= rounded ||
	    (map == NB_MAP_CONNECTIONS && wanted < room)) /* then set_conntrack() lowers it */
		return;
	nb_log("%s %u is not in force: the datapath below \"%s\" was loaded with %u", key, wanted, dp->dir,
	       room);
}

static void log_local(const struct nb_service *service)
{
	char addr[NB_ADDR_STRLEN];

	nb_log("Service %s: %s is an address of this host and is left alone", service->name,
	       nb_addr_format(&service->key.addr, addr));
}

/* Whether natbridge itself translates. */
static bool translates(const struct nb_conf *conf)
{
	return nb_conf_uses_datapath(conf) && conf->proxy.mode == NB_MODE_EBPF;
}

static int choose_services(struct add *add, struct nb_error *err)
{
	const struct nb_services *all = &add->conf->proxy.services;

	if (!translates(add->conf) || !all->n)
		return 0;
	add->services.items = calloc(all->n, sizeof(*all->items));
	if (!add->services.items)
		return nb_fail_nomem(err);
	memcpy(add->services.items, all->items, all->n * sizeof(*all->items));
	add->services.n = all->n;
	return nb_services_set_local_apart(&add->services, &add->services.n, &add->wire.host, log_local, err);
}

/*
 * From here up to attach() the datapath is locked: ADDs take turns, but only for what touches the maps. No
 * netlink request is made meanwhile: it could wait long for the rtnl lock, which an attach() elsewhere holds.
 */
static int open_datapath(struct add *add, struct nb_error *err)
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
	ret = nb_wire_refetch(&add->wire, &add->host, err); /* for its MAC */
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
static void set_conntrack(const struct add *add, struct nb_settings *settings)
{
	__u32 max = add->conf->proxy.limits.connections;

	if (max && translates(add->conf) && !nb_settings_check_max(&add->dp, max, NULL))
		nb_setting_put(settings, NB_SETTING_MAX, max);
	for (unsigned int i = 0; i < NB_TIMEOUTS; i++)
		if (add->conf->proxy.timeouts[i])
			nb_setting_put(settings, i, add->conf->proxy.timeouts[i]);
}

static void set_fast_path(const struct add *add, struct nb_settings *settings)
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

/* Settings and services belong to the network: what this ADD finds changed stays changed if it fails. */
static int write_settings(struct add *add, struct nb_error *err)
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
	if (add->conf->shaped)
		new.flags |= NB_SETTINGS_SHAPED;
	set_ranges(add->conf, &new);
	set_conntrack(add, &new);
	return memcmp(&old, &new, sizeof(new)) ? nb_settings_write(&add->dp, &new, err) : 0;
}

static int apply_services(struct add *add, struct nb_error *err)
{
	struct nb_service_changes changes;

	if (!translates(add->conf))
		return 0;
	return nb_service_apply(&add->dp, &add->services, NB_ORIGIN_CONFIG, &changes, err);
}

static int add_endpoint(struct add *add, struct nb_error *err)
{
	struct nb_endpoint_spec spec;
	int ret;

	if (!nb_conf_uses_datapath(add->conf))
		return 0;
	ret = nb_cmd_endpoint(add->args, add->conf, &add->result, &add->veth, &spec, err);
	return ret ? ret : nb_endpoint_add(&add->dp, &spec, err);
}

static int remove_endpoint(struct add *add, struct nb_error *err)
{
	nb_datapath_close(&add->dp); /* it is opened anew: the lock may have been given back already */
	return nb_conf_uses_datapath(add->conf) ? nb_cmd_forget_endpoint(add->args, add->conf, err) : 0;
}

/*
 * Without the lock: the kernel waits for two RCU grace periods (tcx_entry_sync() in include/net/tcx.h), some
 * 25 ms in which others may well write maps.
 */
static int attach(struct add *add, struct nb_error *err)
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
		ret = nb_wire_fix_mac(&add->wire, &add->host, err); /* frames for the host are sent to it */
	if (!ret && nb_conf_uses_datapath(add->conf))
		nb_moved_follow(&add->wire, &add->bridge, &add->dp);
	nb_datapath_close(&add->dp);
	return ret;
}

/* A pod that cannot be brought to a changed mode is no reason to refuse this one: the next ADD tries again.
 */
static int change_mode(struct add *add, struct nb_error *err)
{
	(void)err;
	nb_mode_follow(&add->wire, add->conf, &add->bridge, &add->host);
	return 0;
}

static int wait_port(struct add *add, struct nb_error *err)
{
	if (add->conf->disable_container_interface)
		return 0;
	return nb_wire_wait_port(&add->wire, &add->veth, err);
}

static int set_interface(struct nb_result_if *iface, const struct nb_link *link, const char *sandbox,
			 struct nb_error *err)
{
	memcpy(iface->name, link->name, sizeof(iface->name));
	memcpy(iface->mac, link->mac, sizeof(iface->mac));
	iface->has_mac = link->has_mac;
	return sandbox ? nb_conf_strdup(sandbox, &iface->sandbox, err) : 0;
}

/* Bridge, host end, pod's end, the gateway's interface in a VLAN, in this order: the reference plugin's,
 * which others rely on. */
static int fill_result(struct add *add, struct nb_error *err)
{
	struct nb_result *result = &add->result;
	int ret;

	result->interfaces = calloc(4, sizeof(*result->interfaces));
	if (!result->interfaces)
		return nb_fail_nomem(err);
	result->n_interfaces = add->in_vlan ? 4 : 3;
	ret = nb_wire_refetch(&add->wire, &add->bridge, err);
	if (!ret)
		ret = nb_wire_refetch(&add->wire, &add->veth.host, err);
	if (!ret)
		ret = set_interface(&result->interfaces[0], &add->bridge, NULL, err);
	if (!ret)
		ret = set_interface(&result->interfaces[1], &add->veth.host, NULL, err);
	if (!ret)
		ret = set_interface(&result->interfaces[2], &add->veth.pod, add->args->netns, err);
	if (!ret && add->in_vlan)
		ret = set_interface(&result->interfaces[3], &add->host, NULL, err);
	if (!ret && add->conf->has_dns)
		ret = nb_dns_copy(&add->conf->dns, &result->dns, err);
	return ret;
}

static int print_result(struct add *add, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json =
		nb_result_to_json(&add->result, add->conf->cni_version, err);

	return json ? nb_output_result(json, err) : -1;
}

/*
 * When a step fails, the undos of those before it run in reverse order. Those of check_macs(), masquerade()
 * and add_endpoint() stand a step or two earlier, so that they run as well when the step itself fails
 * half-way; the pair goes before its addresses are given back, and once more should there have been none to
 * give back.
 */
static const struct {
	int (*run)(struct add *add, struct nb_error *err);
	int (*undo)(struct add *add, struct nb_error *err);
} STEPS[] = {
	{ open_netns, NULL },
	{ ask_kernel, NULL },
	{ ensure_bridge, stop_checking_macs }, /* the bridge belongs to the network */
	{ add_veth, remove_veth },
	{ check_macs, NULL },
	{ allocate, release },
	{ plan_gateways, remove_veth },
	{ configure_pod, NULL },
	{ ensure_gateway, stop_masquerading }, /* the gateway's addresses belong to the network */
	{ masquerade, NULL },
	{ choose_services, NULL },
	{ open_datapath, NULL },
	{ write_settings, NULL },
	{ apply_services, remove_endpoint }, /* the services belong to the network */
	{ add_endpoint, NULL },
	{ attach, NULL },
	{ change_mode, NULL },
	{ wait_port, NULL },
	{ fill_result, NULL },
	{ print_result, NULL },
};

int nb_cmd_add(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(add_free) struct add add = {
		.args = args,
		.conf = conf,
		.id = nb_cmd_attachment(args, conf),
		.netns_fd = -1,
		.wire = NB_WIRE_INIT,
		.dp = NB_DATAPATH_INIT,
	};
	size_t done;
	int ret = 0;

	for (done = 0; done < sizeof(STEPS) / sizeof(*STEPS) && !ret; done++)
		ret = STEPS[done].run(&add, err);
	if (!ret)
		return 0;
	for (size_t i = done - 1; i-- > 0;) {
		struct nb_error undo_err = { 0 };

		if (STEPS[i].undo && STEPS[i].undo(&add, &undo_err))
			nb_log("undoing the failed ADD: %s", undo_err.msg);
	}
	return ret;
}
