// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs the IPAM plugin and reads its answers. */
#include "ipam.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/process.h"

#include "args.h"
#include "conf.h"
#include "conf_gc.h"
#include "report.h"
#include "result.h"

enum { TIMEOUT_MS = 60000 };

static const struct nb_json_limits LIMITS = { .depth = 32, .values = 50000 };

/* Sets *err to the error that the plugin printed, or to one that says what it did instead. */
static int plugin_failed(const char *type, enum nb_cni_command command, const struct nb_process_output *out,
			 struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	const char *msg = "", *details = "", *name = nb_command_name(command);
	unsigned int code = 0;
	struct nb_json root, at;

	if (!out->len)
		return nb_fail(err, NB_ERR_IPAM, 0,
			       "IPAM plugin \"%s\": %s ended with status %d and printed nothing", type, name,
			       out->status);
	if (nb_json_parse(out->text, out->len, &LIMITS, &json, NULL) == 0) {
		root = nb_json_root(json);
		at = nb_json_get(&root, "code");
		nb_json_uint(&at, 0, INT_MAX, &code, NULL);
		at = nb_json_get(&root, "msg");
		nb_json_string(&at, &msg, NULL);
		at = nb_json_get(&root, "details");
		nb_json_string(&at, &details, NULL);
	}
	if (!*msg)
		return nb_fail(err, NB_ERR_IPAM, 0,
			       "IPAM plugin \"%s\": %s ended with status %d and printed no error: %.200s",
			       type, name, out->status, out->text);
	return nb_fail(err, code ? (enum nb_code)code : NB_ERR_IPAM, 0,
		       "IPAM plugin \"%s\": %s: %.600s%s%.200s", type, name, msg, *details ? "; " : "",
		       details);
}

static int start(struct nb_ipam *ipam, enum nb_cni_command command, struct nb_error *err)
{
	nb_autofree char *for_gc = NULL;
	struct nb_process delegate = {
		.command = nb_command_name(command),
		.input = ipam->conf->text,
		.input_len = ipam->conf->text_len,
		.timeout_ms = TIMEOUT_MS,
	};
	int rc;

	if (command == NB_CNI_GC) {
		rc = nb_conf_text_for_gc(ipam->conf, &for_gc, err);
		if (rc)
			return rc;
		delegate.input = for_gc;
		delegate.input_len = strlen(for_gc);
	}
	if (!ipam->path) {
		rc = nb_process_find(ipam->conf->ipam_type, ipam->args->path, &ipam->path, err);
		if (rc)
			return rc;
	}
	delegate.path = ipam->path;
	return nb_process_start(&delegate, &ipam->child, err);
}

static int finish(struct nb_ipam *ipam, enum nb_cni_command command, struct nb_process_output *out,
		  struct nb_error *err)
{
	int rc = nb_process_finish(&ipam->child, out, err);

	if (rc)
		return rc;
	return out->status ? plugin_failed(ipam->conf->ipam_type, command, out, err) : 0;
}

static int run(struct nb_ipam *ipam, enum nb_cni_command command, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	int rc = start(ipam, command, err);

	if (rc)
		return rc;
	return finish(ipam, command, &out, err);
}

int nb_ipam_run(const struct nb_conf *conf, const struct nb_args *args, enum nb_cni_command command,
		struct nb_error *err)
{
	nb_cleanup(nb_ipam_free) struct nb_ipam ipam = { .conf = conf, .args = args };

	return run(&ipam, command, err);
}

static int read_answer(const struct nb_process_output *out, struct nb_result *result, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	int rc = nb_json_parse(out->text ? out->text : "", out->len, &LIMITS, &json, err);

	if (rc)
		return rc;
	rc = nb_result_from_json(json, result, err);
	if (rc)
		return rc;
	return result->n_ips ? 0 : nb_fail(err, NB_ERR_IPAM, 0, "it has no address");
}

/* Waits for the plugin's ADD. *refused: it ran to its end and printed an error. */
static int take_answer(struct nb_ipam *ipam, struct nb_result *result, bool *refused, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	int rc = finish(ipam, NB_CNI_ADD, &out, err);

	*refused = rc && out.status;
	if (rc)
		return rc;
	rc = read_answer(&out, result, err);
	if (rc) {
		nb_wrap(err, "result of IPAM plugin \"%s\"", ipam->conf->ipam_type);
		err->code = NB_ERR_IPAM;
	}
	return rc;
}

/* After a failure it has called the plugin's DEL; *again: a second ADD may succeed. */
static int take_or_release(struct nb_ipam *ipam, struct nb_result *result, bool *again, struct nb_error *err)
{
	struct nb_error undo_err = { 0 };
	int rc = take_answer(ipam, result, again, err);

	if (rc && run(ipam, NB_CNI_DEL, &undo_err)) {
		nb_log("undoing the failed ADD: %s", undo_err.msg);
		*again = false;
	}
	return rc;
}

int nb_ipam_start_add(struct nb_ipam *ipam, const struct nb_conf *conf, const struct nb_args *args,
		      struct nb_error *err)
{
	int rc;

	nb_ipam_free(ipam);
	*ipam = (struct nb_ipam){ .conf = conf, .args = args };
	rc = start(ipam, NB_CNI_ADD, err);
	ipam->to_undo = !rc;
	return rc;
}

/*
 * host-local refuses an attachment that has an address already. Here that address cannot be in use,
 * since the interface did not exist a moment ago: an ADD left it whose namespace went without a
 * DEL. The DEL after the failure has released it, so that a second ADD can succeed.
 */
int nb_ipam_finish_add(struct nb_ipam *ipam, struct nb_result *result, struct nb_error *err)
{
	nb_cleanup(nb_result_free) struct nb_result read = { 0 };
	bool again;
	int rc = take_or_release(ipam, &read, &again, err);

	ipam->to_undo = false;
	if (rc && again) {
		rc = start(ipam, NB_CNI_ADD, err);
		if (rc)
			return rc;
		rc = take_or_release(ipam, &read, &again, err);
	}
	if (rc)
		return rc;
	ipam->to_undo = true;
	*result = read;
	read = (struct nb_result){ 0 };
	return 0;
}

void nb_ipam_leave_add(struct nb_ipam *ipam)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };

	if (ipam->child.pid)
		(void)nb_process_finish(&ipam->child, &out, NULL);
	ipam->to_undo = false;
}

int nb_ipam_undo_add(struct nb_ipam *ipam, struct nb_error *err)
{
	const bool to_undo = ipam->to_undo;

	nb_ipam_leave_add(ipam);
	return to_undo ? run(ipam, NB_CNI_DEL, err) : 0;
}

void nb_ipam_free(struct nb_ipam *ipam)
{
	free(ipam->path);
	*ipam = (struct nb_ipam){ 0 };
}
