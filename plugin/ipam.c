// SPDX-License-Identifier: GPL-2.0-or-later
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
#include "report.h"
#include "result.h"

enum { TIMEOUT_MS = 60000 };

static const struct nb_json_limits LIMITS = { .depth = 32, .values = 50000 };

/* The error that the plugin printed, if it did; else what its silence or noise comes to. */
static int plugin_failed(const char *type, enum nb_command command, const struct nb_process_output *out,
			 struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	const char *msg = "", *details = "", *name = nb_command_name(command);
	unsigned int code = 0;
	struct nb_json root, at;

	if (!out->len)
		return nb_fail(err, NB_ERR_IPAM, 0,
			       "IPAM plugin \"%s\": %s ended with status %d and said nothing", type, name,
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

static int start(struct nb_ipam *ipam, enum nb_command command, struct nb_error *err)
{
	nb_autofree char *for_gc = NULL;
	struct nb_process delegate = {
		.command = nb_command_name(command),
		.input = ipam->conf->text,
		.input_len = ipam->conf->text_len,
		.timeout_ms = TIMEOUT_MS,
	};

	if (command == NB_CMD_GC) {
		int ret = nb_conf_text_for_gc(ipam->conf, &for_gc, err);

		if (ret)
			return ret;
		delegate.input = for_gc;
		delegate.input_len = strlen(for_gc);
	}
	if (!ipam->path) {
		int ret = nb_process_find(ipam->conf->ipam_type, ipam->args->path, &ipam->path, err);

		if (ret)
			return ret;
	}
	delegate.path = ipam->path;
	return nb_process_start(&delegate, &ipam->child, err);
}

static int finish(struct nb_ipam *ipam, enum nb_command command, struct nb_process_output *out,
		  struct nb_error *err)
{
	int ret = nb_process_finish(&ipam->child, out, err);

	if (!ret && out->status)
		ret = plugin_failed(ipam->conf->ipam_type, command, out, err);
	return ret;
}

static int run(struct nb_ipam *ipam, enum nb_command command, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	int ret = start(ipam, command, err);

	return ret ? ret : finish(ipam, command, &out, err);
}

int nb_ipam_run(const struct nb_conf *conf, const struct nb_args *args, enum nb_command command,
		struct nb_error *err)
{
	nb_cleanup(nb_ipam_free) struct nb_ipam ipam = { .conf = conf, .args = args };

	return run(&ipam, command, err);
}

static int read_result(const struct nb_conf *conf, const struct nb_process_output *out,
		       struct nb_result *result, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	int ret = nb_json_parse(out->text ? out->text : "", out->len, &LIMITS, &json, err);

	if (!ret)
		ret = nb_result_from_json(json, result, err);
	if (!ret && !result->n_ips)
		ret = nb_fail(err, NB_ERR_IPAM, 0, "it has no address");
	if (ret) {
		nb_wrap(err, "result of IPAM plugin \"%s\"", conf->ipam_type);
		err->code = NB_ERR_IPAM;
	}
	return ret;
}

/* The end of one ADD of the plugin. *own_error: it ran to its end and said no. After a failure its DEL was
 * called. */
static int take(struct nb_ipam *ipam, struct nb_result *result, bool *own_error, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	struct nb_error undo_err = { 0 };
	int ret = finish(ipam, NB_CMD_ADD, &out, err);

	*own_error = ret && out.status;
	if (!ret)
		ret = read_result(ipam->conf, &out, result, err);
	if (ret && run(ipam, NB_CMD_DEL, &undo_err)) {
		nb_log("undoing the failed ADD: %s", undo_err.msg);
		*own_error = false;
	}
	return ret;
}

int nb_ipam_start_add(struct nb_ipam *ipam, const struct nb_conf *conf, const struct nb_args *args,
		      struct nb_error *err)
{
	int ret;

	nb_ipam_free(ipam);
	*ipam = (struct nb_ipam){ .conf = conf, .args = args };
	ret = start(ipam, NB_CMD_ADD, err);
	ipam->to_undo = !ret;
	return ret;
}

/*
 * host-local says no to an attachment that has an address already. Ours cannot be in use, for the interface
 * was not there a moment ago: it was left by an ADD whose namespace went without a DEL. The DEL after the
 * failure has released it, so a second try is worth while.
 */
int nb_ipam_finish_add(struct nb_ipam *ipam, struct nb_result *result, struct nb_error *err)
{
	nb_cleanup(nb_result_free) struct nb_result read = { 0 };
	bool own_error;
	int ret = take(ipam, &read, &own_error, err);

	if (ret && own_error) {
		ret = start(ipam, NB_CMD_ADD, err);
		if (!ret)
			ret = take(ipam, &read, &own_error, err);
	}
	ipam->to_undo = !ret;
	if (ret)
		return ret;
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
	return to_undo ? run(ipam, NB_CMD_DEL, err) : 0;
}

void nb_ipam_free(struct nb_ipam *ipam)
{
	free(ipam->path);
	*ipam = (struct nb_ipam){ 0 };
}
