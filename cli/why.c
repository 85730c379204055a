// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl why: what becomes of a packet, and why. */
#include <cjson/cJSON.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "out.h"
#include "why/send.h"
#include "why/why.h"

/* As doctor's for errors: the packet does not arrive. */
enum { EXIT_LOST = 5 };

int nb_cmd_why(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_why_free) struct nb_why why = { .cli = cli,
						      .dp = NB_DATAPATH_INIT,
						      .trial = NB_TRIAL_INIT };
	struct nb_sent sent = { 0 };
	int rc = nb_question_read(cli->arguments[0], cli->arguments[1], &why.question, err);

	rc = rc ? rc : nb_why_find_place(&why, err);
	rc = rc ? rc : nb_why_try(&why, err);
	if (rc)
		return rc;
	why.row = cJSON_CreateObject();
	rc = why.row ? nb_why_add_backends(&why, err) : nb_fail_nomem(err);
	if (!rc && cli->send)
		rc = nb_why_send(&why, &sent, err);
	rc = rc ? rc : nb_why_report(&why, cli->send ? &sent : NULL, err);
	if (rc) {
		cJSON_Delete(why.row);
		return rc;
	}
	if (why.result >= NB_REJECTED || sent.errnum)
		*cli->status = EXIT_LOST;
	return nb_out_row(cli->out, why.row, nb_why_print, err);
}
