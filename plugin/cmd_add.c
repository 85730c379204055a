// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd_add.h"

#include <errno.h>
#include <stdlib.h>

#include <natbridge/abi.h>

#include "lib/datapath/datapath.h"
#include "lib/firewall/macspoof.h"
#include "lib/json/json.h"
#include "lib/maps/layout.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "args.h"
#include "cmd.h"
#include "conf.h"
#include "dns.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "report.h"
#include "result.h"

static void add_free(struct nb_add *add)
{
	nb_datapath_close(&add->dp);
	nb_netdev_close(&add->wire);
	nb_close_fd(&add->netns_fd);
	nb_ipam_free(&add->ipam);
	nb_result_free(&add->result);
	free(add->services.items);
}

static int open_netns(struct nb_add *add, struct nb_error *err)
{
	int ret = nb_cmd_open_netns(add->args, &add->netns_fd, err);

	return ret ? ret : nb_netdev_open(&add->wire, add->netns_fd, err);
}

/* What the config names and this ADD does nothing with, though nobody would write it for that. */
static void log_unused(const struct nb_conf *conf)
{
	const char *mode = nb_mode_name(conf->proxy.mode);

	if (conf->ipam_without_type)
		nb_log("\"ipam\" has no \"type\": the pod gets no address, and serviceProxy is not in force");
	if (!conf->proxy.services.n && !conf->proxy.n_ranges)
		return;
	if (!conf->ipam_type)
		nb_log("\"serviceProxy\": services and serviceCIDRs are not in force without \"ipam\"");
	else if (conf->proxy.mode != NB_MODE_EBPF)
		nb_log("\"serviceProxy\": services and serviceCIDRs are not in force in mode \"%s\"", mode);
}

/* Before there is anything to undo, and before the network gets a bridge that would not go again. */
static int ask_kernel(struct nb_add *add, struct nb_error *err)
{
	const struct nb_conf *conf = add->conf;

	log_unused(conf);
	if (!nb_conf_uses_datapath(conf))
		return 0;
	return nb_datapath_possible(conf->proxy.bpffs, conf->name, conf->proxy.mode, err);
}

/*
 * IPAM works while the pair is made. Not for an attachment that is there already: what would be given back
 * after the failure is what its pod has. Nor with VLANs, which a kernel may not have: it is not asked for
 * what cannot be. What cannot be started now is tried once more when the answer is needed.
 */
static int start_allocating(struct nb_add *add, struct nb_error *err)
{
	int ret = nb_netdev_check_free(&add->wire, add->args->ifname, err);

	if (!ret && add->conf->ipam_type && !add->conf->vlan_filtering)
		(void)nb_ipam_start_add(&add->ipam, add->conf, add->args, NULL);
	return ret;
}

static int take_addresses(struct nb_add *add, struct nb_error *err)
{
	int ret = 0;

	if (!add->conf->ipam_type)
		return 0;
	if (!add->ipam.child.pid)
		ret = nb_ipam_start_add(&add->ipam, add->conf, add->args, err);
	return ret ? ret : nb_ipam_finish_add(&add->ipam, &add->result, err);
}

/* What it would give back may be the rival's; both have the same DEL. */
static int release(struct nb_add *add, struct nb_error *err)
{
	if (!add->rival)
		return nb_ipam_undo_add(&add->ipam, err);
	nb_ipam_leave_add(&add->ipam);
	return 0;
}

static int ensure_bridge(struct nb_add *add, struct nb_error *err)
{
	const struct nb_netdev_bridge_spec spec = {
		.name = add->conf->bridge,
		.mtu = add->conf->mtu,
		.promisc = add->conf->promisc_mode,
		.vlan_filtering = add->conf->vlan_filtering,
	};
	int ret = nb_netdev_ensure_bridge(&add->wire, &spec, &add->bridge, err);

	add->host = add->bridge;
	if (!ret && spec.vlan_filtering && !add->bridge.vlan_filtering)
		nb_log("bridge \"%s\" does not filter VLANs: \"vlan\" and \"vlanTrunk\" have no effect",
		       spec.name);
	return ret;
}

static int add_veth(struct nb_add *add, struct nb_error *err)
{
	struct nb_netdev_veth_spec spec = {
		.id = &add->id,
		.bridge = &add->bridge,
		.mtu = add->conf->mtu,
		.mac = add->conf->has_mac ? add->conf->mac : NULL,
		.hairpin = add->conf->hairpin_mode,
		.isolated = add->conf->port_isolation,
		.preserve_default_vlan = add->conf->preserve_default_vlan,
	};

	int ret;

	nb_conf_port_vlans(add->conf, &spec.vlans);
	ret = nb_netdev_add_veth(&add->wire, &spec, &add->veth, err);
	add->rival = ret == -EEXIST;
	return ret;
}

/* The port's flags and FDB entry go with it, the programs on it as well. */
static int remove_veth(struct nb_add *add, struct nb_error *err)
{
	const struct nb_netdev_delete_spec spec = {
		.id = &add->id,
		.bridge = add->conf->bridge,
		.prev_ifname = add->veth.host.name,
	};

	return nb_netdev_delete(&add->wire, &spec, err);
}

static int plan_gateways(struct nb_add *add, struct nb_error *err)
{
	return nb_netdev_plan_gateways(&add->result, add->conf->is_gateway, add->conf->is_default_gateway,
				       err);
}

static int prepare_pod(struct nb_add *add, struct nb_error *err)
{
	if (!add->conf->ipam_type || add->conf->disable_container_interface)
		return 0;
	return nb_netdev_prepare_pod(&add->wire, &add->veth, add->conf->enable_dad, err);
}

static int configure_pod(struct nb_add *add, struct nb_error *err)
{
	if (add->conf->disable_container_interface)
		return 0;
	return nb_netdev_configure_pod(&add->wire, &add->veth, &add->result, add->conf->enable_dad, err);
}

/* Now the datapath knows the pod, and has its programs at the port: no packet of an address's former owner
 * gets through before. */
static int connect_pod(struct nb_add *add, struct nb_error *err)
{
	int ret = nb_netdev_port_up(&add->wire, &add->veth, err);

	if (ret || !add->conf->enable_dad || add->conf->disable_container_interface)
		return ret;
	return nb_netdev_settle_pod(&add->wire, &add->veth, &add->result, err);
}

static int ensure_gateway(struct nb_add *add, struct nb_error *err)
{
	const struct nb_netdev_vlan_spec vlan = {
		.bridge = &add->bridge,
		.vlan = add->conf->vlan,
		.preserve_default = add->conf->preserve_default_vlan,
	};
	int ret = 0;

	if (!add->conf->is_gateway || !add->conf->ipam_type)
		return 0;
	add->in_vlan = vlan.vlan != 0;
	if (add->in_vlan)
		ret = nb_netdev_ensure_vlan_host(&add->wire, &vlan, &add->host, err);
	if (!ret)
		ret = nb_netdev_ensure_gateway(&add->wire, &add->host, &add->result, add->conf->force_address,
					       err);
	return ret;
}

static int forget_macs(struct nb_add *add)
{
	struct nb_error err = { 0 };

	if (nb_macspoof_delete(&add->id, &err))
		nb_log("%s", err.msg);
	return 0;
}

/* Those of an earlier ADD of the attachment go in any case. */
static int check_macs(struct nb_add *add, struct nb_error *err)
{
	if (!add->conf->mac_spoof_check)
		return forget_macs(add);
	return nb_macspoof_add(&add->id, add->veth.host.name, add->veth.pod.mac, err);
}

static int stop_checking_macs(struct nb_add *add, struct nb_error *err)
{
	return add->conf->mac_spoof_check ? nb_macspoof_delete(&add->id, err) : 0;
}

static bool is_own(const struct nb_result *result, const struct nb_addr *addr)
{
	bool own = false;

	for (size_t i = 0; i < result->n_ips && !own; i++)
		own = nb_addr_equal(&result->ips[i].addr, addr);
	return own;
}

/* The rules of the container's other interfaces, which may share a chain with this one's, are known by what
 * addresses its namespace has beside the new ones. */
static int replace_masquerade(struct nb_add *add, size_t n, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *others = NULL;
	struct nb_masq_spec spec = {
		.id = &add->id,
		.backend = add->conf->masq_backend,
		.ip_masq = add->conf->ip_masq,
		.ips = add->result.ips,
		.n = n,
	};
	unsigned int all = 0;
	int ret = nb_ifaddr_list(&add->wire.pod, 0, AF_UNSPEC, &others, &all, err);

	for (unsigned int i = 0; i < all && !ret; i++)
		if (!is_own(&add->result, &others[i].addr))
			others[spec.n_others++] = others[i];
	spec.others = others;
	return ret ? ret : nb_masq_replace(&spec, err);
}

static int masquerade(struct nb_add *add, struct nb_error *err)
{
	if (!add->conf->ipam_type)
		return 0;
	return replace_masquerade(add, add->conf->ip_masq ? add->result.n_ips : 0, err);
}

static int stop_masquerading(struct nb_add *add, struct nb_error *err)
{
	return add->conf->ip_masq && add->conf->ipam_type ? replace_masquerade(add, 0, err) : 0;
}

static int wait_port(struct nb_add *add, struct nb_error *err)
{
	if (add->conf->disable_container_interface)
		return 0;
	return nb_netdev_wait_port(&add->wire, &add->veth, err);
}

static int set_interface(struct nb_result_if *iface, const struct nb_link *link, const char *sandbox,
			 struct nb_error *err)
{
	memcpy(iface->name, link->name, sizeof(iface->name));
	memcpy(iface->mac, link->mac, sizeof(iface->mac));
	iface->has_mac = link->has_mac;
	return sandbox ? nb_strdup(sandbox, &iface->sandbox, err) : 0;
}

/* Bridge, host end, pod's end, the gateway's interface in a VLAN, in this order: the reference plugin's,
 * which others rely on. */
static int fill_result(struct nb_add *add, struct nb_error *err)
{
	struct nb_result *result = &add->result;
	int ret;

	result->interfaces = calloc(4, sizeof(*result->interfaces));
	if (!result->interfaces)
		return nb_fail_nomem(err);
	result->n_interfaces = add->in_vlan ? 4 : 3;
	ret = nb_netdev_refetch(&add->wire, &add->bridge, err);
	if (!ret)
		ret = nb_netdev_refetch(&add->wire, &add->veth.host, err);
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

static int print_result(struct nb_add *add, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json =
		nb_result_to_json(&add->result, add->conf->cni_version, err);

	return json ? nb_report_result(json, err) : -1;
}

/*
 * When a step fails, the undos of those before it run in reverse order. Those of check_macs(), masquerade()
 * and add_endpoint() stand a step or two earlier, so that they run as well when the step itself fails
 * half-way; the pair goes before its addresses are given back.
 */
static const struct {
	int (*run)(struct nb_add *add, struct nb_error *err);
	int (*undo)(struct nb_add *add, struct nb_error *err);
} STEPS[] = {
	{ open_netns, NULL },
	{ ask_kernel, NULL },
	{ ensure_bridge, stop_checking_macs }, /* the bridge belongs to the network */
	{ start_allocating, release },
	{ add_veth, remove_veth },
	{ check_macs, NULL },
	{ prepare_pod, NULL },
	{ take_addresses, NULL },
	{ plan_gateways, NULL },
	{ configure_pod, NULL },
	{ ensure_gateway, stop_masquerading }, /* the gateway's addresses belong to the network */
	{ masquerade, NULL },
	{ nb_add_choose_services, NULL },
	{ nb_add_refuse_duplicates, NULL },
	{ nb_add_open_datapath, NULL },
	{ nb_add_write_settings, NULL },
	{ nb_add_apply_services, nb_add_remove_endpoint }, /* the services belong to the network */
	{ nb_add_add_endpoint, NULL },
	{ nb_add_attach, NULL },
	{ connect_pod, NULL },
	{ nb_add_change_mode, NULL },
	{ wait_port, NULL },
	{ fill_result, NULL },
	{ print_result, NULL },
};

int nb_cmd_add(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(add_free) struct nb_add add = {
		.args = args,
		.conf = conf,
		.id = nb_cmd_attachment(args, conf),
		.netns_fd = -1,
		.wire = NB_NETDEV_INIT,
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
