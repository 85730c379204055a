// SPDX-License-Identifier: GPL-2.0-or-later
/* The attachment, its namespace, and the first of several errors. */
#include "cmd_common.h"

#include "lib/net/netns.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "conf.h"
#include "report.h"

struct nb_cni_id nb_cni_attachment(const struct nb_args *args, const struct nb_conf *conf)
{
	return (struct nb_cni_id){
		.network = conf->name,
		.container_id = args->container_id,
		.ifname = args->ifname,
	};
}

int nb_cni_open_netns(const struct nb_args *args, int *fd, struct nb_error *err)
{
	nb_autoclose int netns = -1;
	bool own = false;
	int rc = nb_netns_open(args->netns, &netns, err);

	if (!rc && !args->netns_override)
		rc = nb_netns_is_own(netns, &own, err);
	if (rc)
		return nb_wrap(err, "CNI_NETNS");
	if (own)
		return nb_fail(err, NB_ERR_NETNS, 0,
			       "CNI_NETNS \"%.200s\" is the namespace that the plugin runs in", args->netns);
	*fd = NB_TAKE_FD(netns);
	return 0;
}

void nb_cni_keep_first(struct nb_error *first, const struct nb_error *err)
{
	if (!*first->msg)
		*first = *err;
	else
		nb_log("%s", err->msg);
}
