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
enum { EXIT_LOST = 5, EXIT_NOT_SENT = 1 };

/* A packet that cannot be sent is no reason to keep back what was found out. */
static bool send_it(struct nb_why *why, struct nb_sent *sent)
{
	struct nb_error err = { 0 };

	if (!nb_why_send(why, sent, &err))
		return true;
	nb_out_note("the packet was not sent: %s", err.msg);
	return false;
}

int nb_cmd_why(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_why_free) struct nb_why why = { .cli = cli,
						      .dp = NB_DATAPATH_INIT,
						      .trial = NB_TRIAL_INIT };
	struct nb_sent sent = { 0 };
	bool is_sent = false;
	int rc = nb_question_read(cli->arguments[0], cli->arguments[1], &why.question, err);

	rc = rc ? rc : nb_why_find_place(&why, err);
	rc = rc ? rc : nb_why_try(&why, err);
	if (rc)
		return rc;
	why.row = cJSON_CreateObject();
	rc = why.row ? nb_why_add_backends(&why, err) : nb_fail_nomem(err);
	if (!rc && cli->send)
		is_sent = send_it(&why, &sent);
	rc = rc ? rc : nb_why_report(&why, is_sent ? &sent : NULL, err);
	if (rc) {
		cJSON_Delete(why.row);
		return rc;
	}
	if (is_sent ? sent.errnum : why.result >= NB_REJECTED)
		*cli->status = EXIT_LOST;
	if (cli->send && !is_sent)
		*cli->status = EXIT_NOT_SENT;
	return nb_out_row(cli->out, why.row, nb_why_print, err);
}
