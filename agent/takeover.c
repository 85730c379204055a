// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules of kube-proxy: refused, removed, reported. */
#include "takeover.h"

#include <string.h>

#include "lib/firewall/kube_remove.h"
#include "lib/util/error.h"

#include "config.h"
#include "log.h"
#include "node_side.h"

enum { LOOK_MS = 60000 };

int nb_takeover_check(const struct nb_agent_config *config, struct nb_error *err)
{
	struct nb_kube_found found;
	int rc = nb_kube_find(&found, err);

	if (rc)
		return rc;
	if (found.is_ipvs)
		return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
			       "a kube-proxy in mode ipvs serves this node (found: %s): stop it and run "
			       "kube-proxy --cleanup, which --takeover cannot replace",
			       found.text);
	if (*found.text && !config->takes_over)
		return nb_fail(err, NB_ERR_NOT_AVAILABLE, 0,
			       "a kube-proxy serves this node (found: %s): start with --takeover, which "
			       "removes its rules once natbridge serves, or stop it and run kube-proxy "
			       "--cleanup",
			       found.text);
	return 0;
}

static int remove_rules(const struct nb_kube_found *found, struct nb_error *err)
{
	bool kept = false;
	int rc = nb_kube_remove(found, &kept, err);

	if (rc)
		return rc;
	nb_log_info(0, "The rules of kube-proxy are removed", NB_TEXT("found", found->text));
	if (kept)
		nb_log_warning("KUBE-MARK-MASQ and KUBE-POSTROUTING stay: rules of others use them");
	return 0;
}

static void tell_unseen(const struct nb_takeover *takeover)
{
	if (takeover->found.unseen.code && !takeover->said.unseen.code)
		nb_log_warning("It cannot be seen whether iptables-legacy has rules of kube-proxy",
			       NB_TEXT("err", takeover->found.unseen.msg));
}

/* What has come since the node is served. */
static void tell_found(const struct nb_takeover *takeover)
{
	if (!strcmp(takeover->found.text, takeover->said.text))
		return;
	if (!*takeover->found.text)
		nb_log_info(0, "No kube-proxy serves this node any more");
	else
		nb_log_warning("A kube-proxy serves this node as well: stop it, and remove its rules",
			       NB_TEXT("found", takeover->found.text));
}

static int look(struct nb_takeover *takeover, struct nb_error *err)
{
	int rc = nb_kube_find(&takeover->found, err);

	if (rc)
		return rc;
	tell_unseen(takeover);
	if (takeover->has_begun)
		tell_found(takeover);
	takeover->said = takeover->found;
	return 0;
}

int nb_takeover_begin(struct nb_takeover *takeover, struct nb_error *err)
{
	int rc;

	if (takeover->has_begun || !nb_node_side_serves(takeover->side))
		return 0;
	rc = look(takeover, err);
	if (!rc && takeover->config->takes_over && *takeover->found.text && !takeover->found.is_ipvs) {
		rc = remove_rules(&takeover->found, err);
		*takeover->said.text = '\0';
	}
	takeover->has_begun = !rc;
	return rc;
}

static void on_look(void *arg)
{
	struct nb_takeover *takeover = arg;
	struct nb_error err = { 0 };

	if (takeover->has_begun ? look(takeover, &err) : nb_takeover_begin(takeover, &err))
		nb_log_error("kube-proxy's rules are not looked after", NB_TEXT("err", err.msg));
	nb_timer_set(takeover->loop, &takeover->look, LOOK_MS);
}

void nb_takeover_start(struct nb_takeover *takeover, struct nb_loop *loop)
{
	takeover->loop = loop;
	takeover->look = (struct nb_timer){ .fn = on_look, .arg = takeover };
	nb_timer_set(loop, &takeover->look, LOOK_MS);
}

void nb_takeover_free(struct nb_takeover *takeover)
{
	nb_timer_stop(&takeover->look);
}
