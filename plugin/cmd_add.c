// SPDX-License-Identifier: GPL-2.0-or-later
/* ADD as a table of steps, each with the undo that runs if a later one fails: see STEPS. */
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
#include "cmd_add_datapath.h"
#include "cmd_common.h"
#include "conf.h"
#include "conf_vlan.h"
#include "dns.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "netdev_bridge.h"
#include "netdev_delete.h"
#include "netdev_gateway.h"
#include "netdev_pod.h"
#include "netdev_veth.h"
#include "netdev_vlan.h"
#include "report.h"
#include "result.h"
#include "result_print.h"

static void add_free(struct nb_add *add)
{
	nb_datapath_close(&add->dp);
	nb_netdev_close(&add->netdev);
	nb_close_fd(&add->netns_fd);
	nb_ipam_free(&add->ipam);
	nb_result_free(&add->result);
	free(add->services.items);
}

static int open_netns(struct nb_add *add, struct nb_error *err)
{
	int rc = nb_cni_open_netns(add->args, &add->netns_fd, err);

	if (rc)
		return rc;
	return nb_netdev_open(&add->netdev, add->netns_fd, err);
}

/* Logs what the config asks for and cannot get, since another key is missing or says otherwise. */
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

/* Comes before there is anything to undo, and before the bridge, which no undo removes. */
static int ask_kernel(struct nb_add *add, struct nb_error *err)
{
	const struct nb_conf *conf = add->conf;

	log_unused(conf);
	if (!nb_conf_uses_datapath(conf))
		return 0;
	return nb_datapath_possible(&conf->proxy.pin_root, conf->name, conf->proxy.mode, err);
}

/*
 * The IPAM plugin works while the pair is made. It is not started if the pod has the interface
 * already, so that a failed ADD cannot release an address in use; nor with VLANs, which the
 * kernel may not support, so that no address is taken in vain. What cannot be started now is
 * tried again by take_addresses().
 */
static int start_allocating(struct nb_add *add, struct nb_error *err)
{
	int rc = nb_netdev_check_free(&add->netdev, add->args->ifname, err);

	if (rc)
		return rc;
	if (add->conf->ipam_type && !add->conf->vlan_filtering)
		(void)nb_ipam_start_add(&add->ipam, add->conf, add->args, NULL);
	return 0;
}

static int take_addresses(struct nb_add *add, struct nb_error *err)
{
	if (!add->conf->ipam_type)
		return 0;
	if (!add->ipam.child.pid) {
		int rc = nb_ipam_start_add(&add->ipam, add->conf, add->args, err);

		if (rc)
			return rc;
	}
	return nb_ipam_finish_add(&add->ipam, &add->result, err);
}

/* The IPAM plugin knows only the attachment, so its DEL would also release the addresses of a rival ADD. */
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
	int rc = nb_netdev_ensure_bridge(&add->netdev, &spec, &add->bridge, err);

	if (rc)
		return rc;
	add->host = add->bridge;
	if (spec.vlan_filtering && !add->bridge.vlan_filtering)
		nb_log("bridge \"%s\" does not filter VLANs: \"vlan\" and \"vlanTrunk\" have no effect",
		       spec.name);
	return 0;
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
	int rc;

	nb_conf_port_vlans(add->conf, &spec.vlans);
	rc = nb_netdev_add_veth(&add->netdev, &spec, &add->veth, err);
	add->rival = rc == -EEXIST;
	return rc;
}

/* With the port go its flags, its FDB entry and its programs. */
static int remove_veth(struct nb_add *add, struct nb_error *err)
{
	const struct nb_netdev_delete_spec spec = {
		.id = &add->id,
		.bridge = add->conf->bridge,
		.prev_ifname = add->veth.host.name,
	};

	return nb_netdev_delete(&add->netdev, &spec, err);
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
	return nb_netdev_prepare_pod(&add->netdev, &add->veth, add->conf->enable_dad, err);
}

static int configure_pod(struct nb_add *add, struct nb_error *err)
{
	if (add->conf->disable_container_interface)
		return 0;
	return nb_netdev_configure_pod(&add->netdev, &add->veth, &add->result, add->conf->enable_dad, err);
}

/*
 * Comes after the datapath knows the pod and has its programs at the port, so that the pod gets no
 * packet of a connection of its address's former owner.
 */
static int connect_pod(struct nb_add *add, struct nb_error *err)
{
	int rc = nb_netdev_port_up(&add->netdev, &add->veth, err);

	if (rc || !add->conf->enable_dad || add->conf->disable_container_interface)
		return rc;
	return nb_netdev_settle_pod(&add->netdev, &add->veth, &add->result, err);
}

static int ensure_gateway(struct nb_add *add, struct nb_error *err)
{
	const struct nb_netdev_vlan_spec vlan = {
		.bridge = &add->bridge,
		.vlan = add->conf->vlan,
		.preserve_default = add->conf->preserve_default_vlan,
	};

	if (!add->conf->is_gateway || !add->conf->ipam_type)
		return 0;
	add->in_vlan = vlan.vlan != 0;
	if (add->in_vlan) {
		int rc = nb_netdev_ensure_vlan_host(&add->netdev, &vlan, &add->host, err);

		if (rc)
			return rc;
	}
	return nb_netdev_ensure_gateway(&add->netdev, &add->host, &add->result, add->conf->force_address,
					err);
}

/* Rules of an earlier ADD of the attachment go, also if this one's config asks for none. */
static int check_macs(struct nb_add *add, struct nb_error *err)
{
	struct nb_error stale_err = { 0 };

	if (add->conf->mac_spoof_check)
		return nb_macspoof_add(&add->id, add->veth.host.name, add->veth.pod.mac, err);
	if (nb_macspoof_delete(&add->id, &stale_err))
		nb_log("%s", stale_err.msg);
	return 0;
}

static int stop_checking_macs(struct nb_add *add, struct nb_error *err)
{
	return add->conf->mac_spoof_check ? nb_macspoof_delete(&add->id, err) : 0;
}

static bool is_own(const struct nb_result *result, const struct nb_addr *addr)
{
	for (size_t i = 0; i < result->n_ips; i++)
		if (nb_addr_equal(&result->ips[i].addr, addr))
			return true;
	return false;
}

/*
 * The container's other interfaces may share a chain of iptables with this one: the rules for all
 * addresses that the namespace has beside the new ones stay.
 */
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
	int rc = nb_ifaddr_list(&add->netdev.pod, 0, AF_UNSPEC, &others, &all, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < all; i++)
		if (!is_own(&add->result, &others[i].addr))
			others[spec.n_others++] = others[i];
	spec.others = others;
	return nb_masq_replace(&spec, err);
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
	return nb_netdev_wait_port(&add->netdev, &add->veth, err);
}

static void set_interface(struct nb_result_if *iface, const struct nb_link *link)
{
	memcpy(iface->name, link->name, sizeof(iface->name));
	memcpy(iface->mac, link->mac, sizeof(iface->mac));
	iface->has_mac = link->has_mac;
}

/*
 * The interfaces in the order of the reference plugin, which others rely on: bridge, host veth,
 * pod's end (NB_RESULT_CONTAINER), the gateway's interface in a VLAN.
 */
static int fill_result(struct nb_add *add, struct nb_error *err)
{
	struct nb_result *result = &add->result;
	int rc;

	result->interfaces = calloc(4, sizeof(*result->interfaces));
	if (!result->interfaces)
		return nb_fail_nomem(err);
	result->n_interfaces = add->in_vlan ? 4 : 3;
	rc = nb_netdev_refetch(&add->netdev, &add->bridge, err);
	if (rc)
		return rc;
	rc = nb_netdev_refetch(&add->netdev, &add->veth.host, err);
	if (rc)
		return rc;
	set_interface(&result->interfaces[0], &add->bridge);
	set_interface(&result->interfaces[1], &add->veth.host);
	set_interface(&result->interfaces[NB_RESULT_CONTAINER], &add->veth.pod);
	if (add->in_vlan)
		set_interface(&result->interfaces[3], &add->host);
	rc = nb_strdup(add->args->netns, &result->interfaces[NB_RESULT_CONTAINER].sandbox, err);
	if (rc)
		return rc;
	return add->conf->has_dns ? nb_dns_copy(&add->conf->dns, &result->dns, err) : 0;
}

static int print_result(struct nb_add *add, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json =
		nb_result_to_json(&add->result, add->conf->cni_version, err);

	return json ? nb_report_result(json, err) : -1;
}

/*
 * When a step fails, the undos of the steps before it run in reverse order. The undos of
 * check_macs(), masquerade() and nb_add_add_endpoint() stand in an earlier row, so that they also
 * run when that step itself fails half-way. The pair is removed before its addresses are released.
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

static void undo_before(struct nb_add *add, size_t failed)
{
	for (size_t i = failed; i-- > 0;) {
		struct nb_error err = { 0 };

		if (STEPS[i].undo && STEPS[i].undo(add, &err))
			nb_log("undoing the failed ADD: %s", err.msg);
	}
}

int nb_cni_add(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(add_free) struct nb_add add = {
		.args = args,
		.conf = conf,
		.id = nb_cni_attachment(args, conf),
		.netns_fd = -1,
		.netdev = NB_NETDEV_INIT,
		.dp = NB_DATAPATH_INIT,
	};

	for (size_t i = 0; i < sizeof(STEPS) / sizeof(*STEPS); i++) {
		int rc = STEPS[i].run(&add, err);

		if (rc) {
			undo_before(&add, i);
			return rc;
		}
	}
	return 0;
}
