// SPDX-License-Identifier: GPL-2.0-or-later
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
#include "conf.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "result.h"

static int read_prev_result(const struct nb_conf *conf, struct nb_result *prev, struct nb_error *err)
{
	int ret;

	if (!conf->prev_result)
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"prevResult\" is missing: CHECK needs it");
	ret = nb_result_from_json(conf->prev_result, prev, err);
	return ret ? nb_wrap(err, "\"prevResult\"") : 0;
}

static int check_wire(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *prev,
		      struct nb_link *bridge, struct nb_netdev_veth *veth, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev wire = NB_NETDEV_INIT;
	nb_autoclose int netns_fd = -1;
	const struct nb_cni_id id = nb_cmd_attachment(args, conf);
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
	int ret = nb_cmd_open_netns(args, &netns_fd, err);

	nb_conf_port_vlans(conf, &spec.vlans);
	if (!ret)
		ret = nb_netdev_open(&wire, netns_fd, err);
	return ret ? ret : nb_netdev_check(&wire, &spec, bridge, veth, err);
}

/* That the bridge has not begun to filter by VLAN since, which the fast path passes by. */
static int check_fast_path(const struct nb_conf *conf, const struct nb_settings *settings,
			   const struct nb_link *bridge, struct nb_error *err)
{
	if (!conf->proxy.fast_path || nb_cmd_fast_path(conf, bridge) ||
	    !(settings->flags & NB_SETTINGS_FAST_PATH))
		return 0;
	return nb_fail(
		err, NB_ERR_CHECK, 0,
		"bridge \"%s\" filters by VLAN now, which packets to Services pass by until the next ADD",
		bridge->name);
}

static int check_datapath(const struct nb_args *args, const struct nb_conf *conf,
			  const struct nb_result *prev, const struct nb_link *bridge,
			  const struct nb_netdev_veth *veth, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_settings settings = { 0 };
	struct nb_endpoint_spec spec;
	unsigned int host = veth->host.master;
	int ret;

	if (!nb_conf_uses_datapath(conf) && nb_ebpf_usable(NULL))
		return 0; /* nor could any ADD */
	if (!nb_conf_uses_datapath(conf))
		return nb_datapath_detached(veth->host.index, err);
	ret = nb_datapath_open(conf->proxy.bpffs, conf->name, false, &dp, err);
	if (ret == -ENOENT)
		err->code = NB_ERR_CHECK;
	if (!ret)
		ret = nb_datapath_attached(&dp, conf->proxy.mode, veth->host.index, err);
	if (!ret)
		ret = nb_settings_read(&dp, &settings, err);
	if (!ret)
		ret = check_fast_path(conf, &settings, bridge, err);
	if (conf->vlan || !conf->is_gateway)
		host = settings.bridge_ifindex;
	if (!ret)
		ret = nb_datapath_attached_bridge(&dp, conf->proxy.mode, conf->name, host, err);
	if (!ret)
		ret = nb_cmd_endpoint(args, conf, prev, veth, &spec, err);
	if (!ret && veth->shaped && conf->proxy.fast_path)
		spec.flags |= NB_PORT_NO_FAST_PATH;
	return ret ? ret : nb_endpoint_check(&dp, &spec, err);
}

static int check_rules(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *prev,
		       const struct nb_netdev_veth *veth, struct nb_error *err)
{
	const struct nb_cni_id id = nb_cmd_attachment(args, conf);
	int ret = 0;

	if (conf->mac_spoof_check)
		ret = nb_macspoof_check(&id, veth->host.name, veth->pod.mac, err);
	if (!ret && conf->ip_masq && conf->ipam_type)
		ret = nb_masq_check(conf->masq_backend, &id, prev->ips, prev->n_ips, err);
	return ret;
}

int nb_cmd_check(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_result_free) struct nb_result prev = { 0 };
	struct nb_netdev_veth veth = { 0 };
	struct nb_link bridge;
	int ret = read_prev_result(conf, &prev, err);

	if (!ret && conf->ipam_type)
		ret = nb_ipam_run(conf, args, NB_CMD_CHECK, err);
	if (!ret)
		ret = check_wire(args, conf, &prev, &bridge, &veth, err);
	if (!ret)
		ret = check_datapath(args, conf, &prev, &bridge, &veth, err);
	return ret ? ret : check_rules(args, conf, &prev, &veth, err);
}
