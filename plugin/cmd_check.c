// SPDX-License-Identifier: GPL-2.0-or-later
/* CHECK: compares what is there with the config and prevResult, and names the first difference. */
#include <errno.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/kernel_probe.h"
#include "lib/firewall/macspoof.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/link.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "cmd.h"
#include "cmd_common.h"
#include "cmd_datapath.h"
#include "conf.h"
#include "conf_vlan.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "netdev_check.h"
#include "result.h"

static int read_prev_result(const struct nb_conf *conf, struct nb_result *prev, struct nb_error *err)
{
	int rc;

	if (!conf->prev_result)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"prevResult\" is missing: CHECK needs it");
	rc = nb_result_from_json(conf->prev_result, prev, err);
	return rc ? nb_wrap(err, "\"prevResult\"") : 0;
}

static int check_netdevs(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *prev,
			 struct nb_link *bridge, struct nb_netdev_veth *veth, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev netdev = NB_NETDEV_INIT;
	nb_autoclose int netns_fd = -1;
	const struct nb_cni_id id = nb_cni_attachment(args, conf);
	struct nb_netdev_check_spec spec = {
		.id = &id,
		.bridge = conf->bridge,
		.promisc = conf->promisc_mode,
		.hairpin = conf->hairpin_mode,
		.isolated = conf->port_isolation,
		.is_gateway = conf->is_gateway && conf->ipam_type,
		.gateway_vlan = conf->vlan,
		.preserve_default_vlan = conf->preserve_default_vlan,
		.force_address = conf->force_address,
		.container_interface = !conf->disable_container_interface,
		.result = prev,
	};
	int rc = nb_cni_open_netns(args, &netns_fd, err);

	if (rc)
		return rc;
	nb_conf_port_vlans(conf, &spec.vlans);
	rc = nb_netdev_open(&netdev, netns_fd, err);
	if (rc)
		return rc;
	return nb_netdev_check(&netdev, &spec, bridge, veth, err);
}

/* A bridge that has begun to filter by VLAN since the ADD: the fast path bypasses its filter. */
static int check_fast_path(const struct nb_conf *conf, const struct nb_settings *settings,
			   const struct nb_link *bridge, struct nb_error *err)
{
	if (!conf->proxy.fast_path || nb_cni_fast_path(conf, bridge) ||
	    !(settings->flags & NB_SETTINGS_FAST_PATH))
		return 0;
	return nb_fail(
		err, NB_ERR_CHECK, 0,
		"bridge \"%s\" filters by VLAN now, which packets to Services bypass until the next ADD",
		bridge->name);
}

/* The link at which a network in mode assist has its program: the bridge, or where the gateway is. */
static unsigned int host_of(const struct nb_conf *conf, const struct nb_settings *settings,
			    const struct nb_netdev_veth *veth)
{
	return conf->vlan || !conf->is_gateway ? settings->bridge_ifindex : veth->host.master;
}

static int check_programs(const struct nb_datapath *dp, const struct nb_conf *conf,
			  const struct nb_link *bridge, const struct nb_netdev_veth *veth,
			  struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_datapath_attached(dp, conf->proxy.mode, veth->host.index, err);

	if (rc)
		return rc;
	rc = nb_settings_read(dp, &settings, err);
	if (rc)
		return rc;
	rc = check_fast_path(conf, &settings, bridge, err);
	if (rc)
		return rc;
	return nb_datapath_attached_bridge(dp, conf->proxy.mode, conf->name, host_of(conf, &settings, veth),
					   err);
}

static int check_datapath(const struct nb_args *args, const struct nb_conf *conf,
			  const struct nb_result *prev, const struct nb_link *bridge,
			  const struct nb_netdev_veth *veth, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_endpoint_spec spec;
	int rc;

	/* Where eBPF cannot be used, no ADD can have attached a program. */
	if (!nb_conf_uses_datapath(conf))
		return nb_kernel_allows_ebpf(NULL) ? 0 : nb_datapath_detached(veth->host.index, err);
	rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, false, &dp, err);
	if (rc == -ENOENT)
		err->code = NB_ERR_CHECK;
	if (rc)
		return rc;
	rc = check_programs(&dp, conf, bridge, veth, err);
	if (rc)
		return rc;
	rc = nb_cni_endpoint(args, conf, prev, veth, &spec, err);
	if (rc)
		return rc;
	if (veth->shaped && conf->proxy.fast_path)
		spec.flags |= NB_PORT_NO_FAST_PATH;
	return nb_endpoint_check(&dp, &spec, err);
}

static int check_rules(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *prev,
		       const struct nb_netdev_veth *veth, struct nb_error *err)
{
	const struct nb_cni_id id = nb_cni_attachment(args, conf);

	if (conf->mac_spoof_check) {
		int rc = nb_macspoof_check(&id, veth->host.name, veth->pod.mac, err);

		if (rc)
			return rc;
	}
	if (!conf->ip_masq || !conf->ipam_type)
		return 0;
	return nb_masq_check(conf->masq_backend, &id, prev->ips, prev->n_ips, err);
}

int nb_cni_check(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_result_free) struct nb_result prev = { 0 };
	struct nb_netdev_veth veth = { 0 };
	struct nb_link bridge;
	int rc = read_prev_result(conf, &prev, err);

	if (rc)
		return rc;
	if (conf->ipam_type) {
		rc = nb_ipam_run(conf, args, NB_CNI_CHECK, err);
		if (rc)
			return rc;
	}
	rc = check_netdevs(args, conf, &prev, &bridge, &veth, err);
	if (rc)
		return rc;
	rc = check_datapath(args, conf, &prev, &bridge, &veth, err);
	if (rc)
		return rc;
	return check_rules(args, conf, &prev, &veth, err);
}
