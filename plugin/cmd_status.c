// SPDX-License-Identifier: GPL-2.0-or-later
/* STATUS: whether an ADD would work now. Changes nothing. */
#include <errno.h>

#include <natbridge/abi.h>

#include "lib/datapath/datapath.h"
#include "lib/firewall/macspoof.h"
#include "lib/maps/layout.h"
#include "lib/service/change.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/privilege.h"

#include "args.h"
#include "cmd.h"
#include "conf.h"
#include "ipam.h"
#include "masq.h"
#include "netdev.h"
#include "netdev_probe.h"

static int probe_netdevs(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_netdev_close) struct nb_netdev netdev = NB_NETDEV_INIT;
	const struct nb_netdev_probe_spec spec = {
		.network = conf->name,
		.bridge = conf->bridge,
		.vlan_filtering = conf->vlan_filtering,
		.is_gateway = conf->is_gateway && conf->ipam_type,
		.gateway_vlan = conf->vlan,
	};
	int rc = nb_netdev_open(&netdev, -1, err);

	if (rc)
		return rc;
	return nb_netdev_probe(&netdev, &spec, err);
}

/*
 * Whether the maps take the config's Services beside those of natbridgectl. Maps
 * that an ADD would make do.
 */
static int probe_services(const struct nb_conf *conf, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc;

	if (!conf->proxy.services.n || conf->proxy.mode != NB_MODE_EBPF)
		return 0;
	rc = nb_datapath_open(&conf->proxy.pin_root, conf->name, true, &dp, err);
	if (rc == -ENOENT || rc == -ESTALE)
		return 0;
	if (rc)
		return rc;
	if (!nb_datapath_has(&dp, NB_MODE_EBPF))
		return 0;
	return nb_service_check(&dp, &conf->proxy.services, NB_ORIGIN_CONFIG, err);
}

static int probe_datapath(const struct nb_conf *conf, struct nb_error *err)
{
	int rc;

	if (!nb_conf_uses_datapath(conf))
		return 0;
	rc = nb_datapath_probe(&conf->proxy.pin_root, conf->name, conf->proxy.mode, err);
	if (rc)
		return rc;
	return probe_services(conf, err);
}

static int probe_rules(const struct nb_conf *conf, struct nb_error *err)
{
	if (conf->mac_spoof_check) {
		int rc = nb_macspoof_probe(err);

		if (rc)
			return rc;
	}
	return conf->ip_masq && conf->ipam_type ? nb_masq_probe(conf->masq_backend, err) : 0;
}

static int probe(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	int rc = nb_privilege_check(NB_TO_WIRE, err);

	if (rc)
		return rc;
	rc = probe_datapath(conf, err);
	if (rc)
		return rc;
	rc = probe_netdevs(conf, err);
	if (rc)
		return rc;
	rc = probe_rules(conf, err);
	if (rc)
		return rc;
	return conf->ipam_type ? nb_ipam_run(conf, args, NB_CNI_STATUS, err) : 0;
}

/* Code 51 if pods that are attached suffer as well (SPEC.md, "STATUS"), else 50. */
int nb_cni_status(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	int rc = probe(args, conf, err);

	if (rc && err->code != NB_ERR_LIMITED)
		err->code = NB_ERR_NOT_AVAILABLE;
	return rc;
}
