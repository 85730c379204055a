// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated answers of an API server to what the agent reads them with, by libFuzzer ("make
 * fuzz"): the splitter, then events or the items and the frame of a list; and all of it as a Status.
 * Each object that is put or removed has a name, each bad one a reason.
 */
#include "agent/status.h"
#include "agent/watch_event.h"
#include "lib/json/splitter.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int hear(const struct nb_json_piece *piece, void *arg)
{
	const struct nb_json_splitter *splitter = arg;
	nb_cleanup(nb_event_free) struct nb_event event = { 0 };
	struct nb_error err = { 0 };

	if (nb_event_read(piece, "Service", splitter->key, &event, &err))
		abort();
	if ((event.type == NB_EVENT_BAD) != (*event.error.msg != '\0'))
		abort();
	if ((event.type == NB_EVENT_PUT || event.type == NB_EVENT_DELETE) &&
	    (!*event.name || !cJSON_IsObject(event.object.node)))
		abort();
	if (event.type == NB_EVENT_ERROR && !event.status.verdict)
		abort();
	return 0;
}

static void split(const char *text, size_t size, const char *key)
{
	nb_cleanup(nb_json_splitter_free) struct nb_json_splitter splitter = { .key = key,
									       .limit = NB_JSON_HEAD,
									       .fn = hear };
	struct nb_list_frame frame = { 0 };
	struct nb_error err = { 0 };
	int rc;

	splitter.arg = &splitter;
	rc = nb_json_splitter_feed(&splitter, text, size, &err);
	if (!rc)
		rc = nb_json_splitter_end(&splitter, &err);
	if (rc || !key)
		return;
	rc = nb_list_frame_read(splitter.frame.text, splitter.frame.len, "Service", &frame, &err);
	if (rc ? !*err.msg : !*frame.resource_version)
		abort();
	free(frame.next_page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nb_autofree char *text = malloc(size + !size);
	struct nb_status status;

	memcpy(text, data, size);
	split(text, size, NULL);
	split(text, size, "items");
	status = nb_status_parse(text, size, 500);
	if (!status.verdict)
		abort();
	return 0;
}
