// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include <natbridge/abi.h>

#include "lib/datapath/datapath.h"
#include "lib/firewall/macspoof.h"
#include "lib/maps/layout.h"
#include "lib/service/service.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "args.h"
#include "cmd.h"
#include "conf.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "privilege.h"

static int probe_wire(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev wire = NB_NETDEV_INIT;
	const struct nb_netdev_probe_spec spec = {
		.network = conf->name,
		.bridge = conf->bridge,
		.vlan_filtering = conf->vlan_filtering,
		.is_gateway = conf->is_gateway && conf->ipam_type,
		.gateway_vlan = conf->vlan,
	};
	int ret = nb_netdev_open(&wire, -1, err);

	return ret ? ret : nb_netdev_probe(&wire, &spec, err);
}

/* Whether the table takes the config's Services beside those of natbridgectl. No table yet: it will. */
static int probe_services(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int ret;

	if (!conf->proxy.services.n || !nb_conf_uses_datapath(conf) || conf->proxy.mode != NB_MODE_EBPF)
		return 0;
	ret = nb_datapath_open(conf->proxy.bpffs, conf->name, true, &dp, err);
	if (ret == -ENOENT || ret == -ESTALE || (!ret && !nb_datapath_has(&dp, NB_MODE_EBPF)))
		return 0;
	return ret ? ret : nb_service_check(&dp, &conf->proxy.services, NB_ORIGIN_CONFIG, err);
}

/*
 * Whether an ADD would work now, step by step; changes nothing. Code 51 where pods that are attached suffer
 * as well (SPEC.md, "STATUS"), else 50.
 */
int nb_cmd_status(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	int ret = nb_privilege_check(err);

	if (!ret && nb_conf_uses_datapath(conf))
		ret = nb_datapath_probe(conf->proxy.bpffs, conf->name, conf->proxy.mode, err);
	if (!ret)
		ret = probe_services(conf, err);
	if (!ret)
		ret = probe_wire(conf, err);
	if (!ret && conf->mac_spoof_check)
		ret = nb_macspoof_probe(err);
	if (!ret && conf->ip_masq && conf->ipam_type)
		ret = nb_masq_probe(conf->masq_backend, err);
	if (!ret && conf->ipam_type)
		ret = nb_ipam_run(conf, args, NB_CMD_STATUS, err);
	if (ret && err->code != NB_ERR_LIMITED)
		err->code = NB_ERR_NOT_AVAILABLE;
	return ret;
}
