// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests to the API of a cluster. */
#include "api.h"

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "credentials.h"
#include "http.h"
#include "kubeconfig.h"
#include "servers.h"

static int start(struct nb_api_call *call, struct nb_error *err);

static void on_head(void *arg)
{
	struct nb_api_call *call = arg;

	call->on_head(call->arg);
}

static int on_body(const char *bytes, size_t len, void *arg)
{
	struct nb_api_call *call = arg;

	return call->on_body(bytes, len, call->arg);
}

/* Whether another server may do better. */
static bool is_servers_fault(enum nb_verdict verdict)
{
	return verdict == NB_VERDICT_FAILED || verdict == NB_VERDICT_LOGIN;
}

static void end(struct nb_api_call *call, const struct nb_api_outcome *outcome)
{
	if (!outcome->answered && is_servers_fault(outcome->status.verdict))
		nb_servers_failed(call->api->servers, &call->server);
	call->on_end(outcome, call->arg);
}

static void on_end(const struct nb_http_answer *answer, void *arg)
{
	struct nb_api_call *call = arg;
	struct nb_api_outcome outcome = { .answered = answer->status == 200, .error = answer->error };
	char name[NB_SERVER_NAME_MAX];

	call->request = NULL;
	if (answer->status && !outcome.answered) {
		outcome.status = nb_status_parse(answer->text, answer->len, answer->status);
		nb_fail(&outcome.error, NB_ERR_IO, 0, "%s: HTTP status %d%s%s",
			nb_server_name(&call->server, name), answer->status,
			*outcome.status.message ? ": " : "", outcome.status.message);
	} else if (answer->error.code) {
		outcome.status.verdict = NB_VERDICT_FAILED;
	}
	if (answer->retry_after_s)
		outcome.status.retry_after_s = answer->retry_after_s;
	if (outcome.status.verdict == NB_VERDICT_LOGIN && !call->again) {
		call->again = true;
		if (!start(call, &outcome.error))
			return;
		outcome.status.verdict = NB_VERDICT_FAILED;
	}
	end(call, &outcome);
}

static int start(struct nb_api_call *call, struct nb_error *err)
{
	nb_cleanup(nb_credentials_free) struct nb_credentials credentials = { 0 };
	const struct nb_http_get get = {
		.server = &call->server,
		.path = call->path,
		.credentials = &credentials,
		.proxy_url = call->api->conf->proxy_url,
		.gzip = call->gzip,
		.on_head = on_head,
		.on_body = on_body,
		.on_end = on_end,
		.arg = call,
	};

	int rc = nb_credentials_read(call->api->conf, &credentials, err);
	if (rc)
		return rc;
	return nb_http_get(call->api->http, &get, &call->request, err);
}

int nb_api_get(struct nb_api_call *call, struct nb_error *err)
{
	call->server = *nb_servers_current(call->api->servers);
	call->again = false;
	return start(call, err);
}

void nb_api_cancel(struct nb_api_call *call)
{
	if (call->request)
		nb_http_cancel(call->request);
	call->request = NULL;
}
