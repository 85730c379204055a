// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/datapath.h>

#include "cmd.h"
#include "ipam.h"
#include "macspoof.h"
#include "masq.h"
#include "privilege.h"

/* Whether an ADD would work now; changes nothing. Pods that are attached go on in any case: code 50. */
int nb_cmd_status(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err)
{
	int ret = nb_privilege_check(err);

	if (!ret && nb_conf_uses_datapath(conf))
		ret = nb_datapath_probe(conf->proxy.bpffs, conf->proxy.mode, err);
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
