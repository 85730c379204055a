// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Follows one resource. Each request is of one of these phases:
 *
 *   INITIAL  a watch that begins with the list (WatchList, KEP-3157); after its last bookmark it
 *            goes on as FOLLOW in the same stream
 *   LIST     where the server has no such watch: a list, page by page
 *   FOLLOW   a watch from a resourceVersion
 *
 * and PAUSE waits for the next try.
 */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json/splitter.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "api.h"
#include "backoff.h"
#include "log.h"
#include "loop.h"
#include "query.h"
#include "watch_event.h"

enum {
	OBJECT_MAX = 8 << 20,
	RETRY_AFTER_MAX_S = 300,
	TIMEOUT_MIN_S = 300, /* when the server shall end a watch */
	TIMEOUT_MAX_S = 600,
	BROKEN_FACTOR = 10, /* times short_ms: a connection that breaks earlier has failed */
	PAGE = 500,         /* objects of a list that comes from etcd; from a server's cache it comes whole */
};

const struct nb_watch_times nb_watch_times = {
	.pause_first_ms = 800,
	.pause_max_ms = 30 * 1000,
	.healthy_ms = 120 * 1000,
	.short_ms = 1000,
	.silent_ms = 30 * 1000,
	.absent_ms = 600 * 1000,
};

enum phase { PHASE_PAUSE, PHASE_INITIAL, PHASE_LIST, PHASE_FOLLOW };

struct nb_watch {
	struct nb_watch_config config;
	struct nb_loop *loop;
	struct nb_api_call call;
	struct nb_strbuf path; /* of the request, with its query */
	enum phase phase;
	/* PAUSE: its end. INITIAL: the server is silent. FOLLOW: the watch has lasted for a while. */
	struct nb_timer timer;

	/* What is known. */
	char resource_version[NB_RESOURCE_VERSION_MAX]; /* empty: nothing */
	bool complete;                                  /* all objects as of that version: go on from there */
	bool streams_list;                              /* INITIAL has worked with a server */
	bool lists;                                     /* INITIAL is not tried */
	bool newest;                                    /* the next LIST asks etcd, not a cache */
	char *next_page;                                /* of LIST; NULL: the first */

	/* The request. */
	struct nb_json_splitter splitter;
	bool in_set;             /* the owner has heard begin */
	bool heard;              /* an event has come */
	int64_t head_ms;         /* when its answer began */
	struct nb_status said;   /* of an ERROR event; verdict OK: there was none */
	struct nb_error trouble; /* what made the watch stop reading */

	/* Failures. */
	struct nb_backoff backoff;
	bool down; /* said in the log */
	int64_t down_ms;
	unsigned int tries;    /* since it was up */
	int64_t bad_logged_ms; /* 0: never */
	struct nb_watch_stats stats;
};

static void start(struct nb_watch *watch);

static void note_event(struct nb_watch *watch)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	watch->stats.last_event_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- full sets --- */

static void begin_set(struct nb_watch *watch)
{
	if (watch->in_set)
		return;
	watch->in_set = true;
	watch->config.owner->begin(watch->config.arg);
}

static void abort_set(struct nb_watch *watch)
{
	free(watch->next_page);
	watch->next_page = NULL;
	if (!watch->in_set)
		return;
	watch->in_set = false;
	watch->config.owner->abort(watch->config.arg);
}

static void end_set(struct nb_watch *watch, const char *resource_version)
{
	memcpy(watch->resource_version, resource_version, NB_RESOURCE_VERSION_MAX);
	watch->complete = true;
	watch->newest = false;
	watch->in_set = false;
	watch->stats.sets++;
	watch->stats.synced = true;
	note_event(watch);
	watch->config.owner->end(watch->config.arg);
	nb_log_info(1, "Read all objects", NB_TEXT("resource", watch->config.name),
		    NB_TEXT("resourceVersion", resource_version));
}

/* --- failures --- */

static void is_up(struct nb_watch *watch)
{
	watch->stats.up = true;
	watch->tries = 0;
	if (!watch->down)
		return;
	watch->down = false;
	nb_log_info(0, "Following the API again", NB_TEXT("resource", watch->config.name),
		    NB_NUMBER("afterSeconds", (nb_loop_now() - watch->down_ms) / 1000));
}

static void start_after(struct nb_watch *watch, int64_t delay_ms)
{
	watch->phase = PHASE_PAUSE;
	nb_timer_set(watch->loop, &watch->timer, delay_ms);
}

static void fail(struct nb_watch *watch, unsigned int retry_after_s, const struct nb_error *err)
{
	const struct nb_servers *servers = watch->call.api->servers;
	const int64_t least = 1000 * (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S);
	int64_t pause = 0;

	abort_set(watch);
	watch->stats.up = false;
	watch->stats.failures++;
	watch->tries++;
	if (!watch->down) {
		watch->down = true;
		watch->down_ms = nb_loop_now();
		nb_log_error("Cannot follow the API; what is known stays",
			     NB_TEXT("resource", watch->config.name), NB_TEXT("err", err->msg));
	} else {
		nb_log_info(2, "Still cannot follow the API", NB_TEXT("resource", watch->config.name),
			    NB_NUMBER("tries", watch->tries), NB_TEXT("err", err->msg));
	}
	/* All servers are tried before there is a pause. */
	if (watch->tries % servers->n == 0 ||
	    nb_server_equal(nb_servers_current(servers), &watch->call.server))
		pause = nb_backoff_next(&watch->backoff);
	if (pause < least)
		pause = least + nb_random_up_to(watch->config.times->pause_first_ms);
	start_after(watch, pause);
}

/* What is known cannot be followed from there: read everything, at once unless that was just done. */
static void read_all_again(struct nb_watch *watch, bool newest)
{
	const bool again = nb_backoff_is_recent(&watch->backoff);
	const int64_t pause = nb_backoff_next(&watch->backoff);

	nb_log_info(1, "Reading all objects again", NB_TEXT("resource", watch->config.name));
	abort_set(watch);
	watch->complete = false;
	watch->newest = newest;
	watch->stats.up = false;
	start_after(watch, again ? pause : 0);
}

/* --- answers --- */

static void on_head(void *arg)
{
	struct nb_watch *watch = arg;

	watch->head_ms = nb_loop_now();
	if (watch->phase != PHASE_FOLLOW)
		begin_set(watch);
	if (watch->phase == PHASE_INITIAL)
		nb_timer_set(watch->loop, &watch->timer, watch->config.times->silent_ms);
	if (watch->phase == PHASE_FOLLOW)
		nb_timer_set(watch->loop, &watch->timer, watch->config.times->short_ms);
}

static void skip_bad(struct nb_watch *watch, const struct nb_event *event)
{
	const int64_t now = nb_loop_now();

	watch->stats.bad++;
	if (!watch->bad_logged_ms || now - watch->bad_logged_ms > 1000) {
		watch->bad_logged_ms = now;
		nb_log_warning("Skipped an object", NB_TEXT("resource", watch->config.name),
			       NB_TEXT("namespace", event->namespace), NB_TEXT("name", event->name),
			       NB_TEXT("err", event->error.msg), NB_NUMBER("skipped", watch->stats.bad));
	}
	watch->config.owner->bad(event->namespace, event->name, event->error.msg, watch->config.arg);
}

static void take_bookmark(struct nb_watch *watch, const struct nb_event *event)
{
	if (watch->phase != PHASE_INITIAL || !event->ends_list || !*event->resource_version)
		return;
	nb_timer_stop(&watch->timer);
	watch->streams_list = true;
	watch->phase = PHASE_FOLLOW;
	end_set(watch, event->resource_version);
}

static void take_event(struct nb_watch *watch, const struct nb_event *event)
{
	const struct nb_watch_owner *owner = watch->config.owner;

	if (event->type == NB_EVENT_PUT)
		owner->put(&event->object, watch->config.arg);
	else if (event->type == NB_EVENT_DELETE)
		owner->remove(&event->object, watch->config.arg);
	else if (event->type == NB_EVENT_BOOKMARK)
		take_bookmark(watch, event);
	else if (event->type == NB_EVENT_BAD)
		skip_bad(watch, event);
	if (event->type == NB_EVENT_BAD || event->type == NB_EVENT_UNKNOWN)
		return;
	watch->heard = true;
	watch->stats.events++;
	note_event(watch);
	if (watch->phase != PHASE_FOLLOW)
		return;
	is_up(watch);
	if (*event->resource_version)
		memcpy(watch->resource_version, event->resource_version, NB_RESOURCE_VERSION_MAX);
}

static int on_piece(const struct nb_json_piece *piece, void *arg)
{
	struct nb_watch *watch = arg;
	nb_cleanup(nb_event_free) struct nb_event event = { 0 };
	const bool item = watch->phase == PHASE_LIST;
	int rc = nb_event_read(piece, watch->config.kind, item, &event, &watch->trouble);

	if (rc)
		return rc;
	if (event.type == NB_EVENT_ERROR) {
		watch->said = event.status;
		return -ECANCELED;
	}
	if (watch->phase == PHASE_INITIAL)
		nb_timer_set(watch->loop, &watch->timer, watch->config.times->silent_ms);
	take_event(watch, &event);
	return 0;
}

static int on_body(const char *bytes, size_t len, void *arg)
{
	struct nb_watch *watch = arg;

	return nb_json_splitter_feed(&watch->splitter, bytes, len, &watch->trouble);
}

/* A page of the list has come whole. */
static int end_page(struct nb_watch *watch, struct nb_error *err)
{
	const struct nb_json_collected *text = &watch->splitter.frame;
	struct nb_list_frame frame = { 0 };

	int rc = nb_list_frame_read(text->text, text->len, watch->config.kind, &frame, err);
	if (rc)
		return nb_wrap(err, "%s", watch->call.path);
	free(watch->next_page);
	watch->next_page = frame.next_page;
	if (!watch->next_page)
		end_set(watch, frame.resource_version);
	start_after(watch, 0);
	return 0;
}

/*
 * A watch has ended, as it does every few minutes, or its connection broke (err is not NULL). The
 * next one goes on from where it was, unless it came to nothing or breaks again and again.
 */
static void end_stream(struct nb_watch *watch, const struct nb_error *err)
{
	const unsigned int least = watch->config.times->short_ms;
	const int64_t lasted = nb_loop_now() - watch->head_ms;
	struct nb_error early = { 0 };

	if (err)
		nb_log_info(1, "A watch broke", NB_TEXT("resource", watch->config.name),
			    NB_TEXT("err", err->msg));
	if (err ? lasted >= BROKEN_FACTOR * least : watch->heard || lasted >= least) {
		start_after(watch, lasted < least ? least - lasted : 0);
		return;
	}
	if (!err)
		nb_fail(&early, NB_ERR_IO, 0, "the watch ended after %lld ms without an event",
			(long long)lasted);
	fail(watch, 0, err ? err : &early);
}

static void use_lists(struct nb_watch *watch, const struct nb_error *err)
{
	nb_log_info(1, "The server streams no lists", NB_TEXT("resource", watch->config.name),
		    NB_TEXT("err", err->msg));
	abort_set(watch);
	watch->lists = true;
	start_after(watch, 0);
}

/* INITIAL came to nothing. A server that has never sent a last bookmark may not know of it. */
static void end_initial(struct nb_watch *watch, const struct nb_error *err)
{
	if (watch->streams_list)
		fail(watch, 0, err);
	else
		use_lists(watch, err);
}

/* The server does not have the resource, or does not show it. It may be another one after an upgrade. */
static void absent(struct nb_watch *watch, const struct nb_error *err)
{
	abort_set(watch);
	watch->stats.up = false;
	if (!watch->down)
		nb_log_info(0, "The API does not show a resource, and nobody needs it",
			    NB_TEXT("resource", watch->config.name), NB_TEXT("err", err->msg));
	watch->down = true;
	watch->down_ms = nb_loop_now();
	watch->config.absent(watch->config.arg);
	start_after(watch, watch->config.times->absent_ms);
}

/* The request failed: the server refused it, or its answer broke or makes no sense. */
static void refused(struct nb_watch *watch, const struct nb_status *status, bool answered,
		    const struct nb_error *err)
{
	const enum nb_verdict verdict = status->verdict;
	const bool lost = verdict == NB_VERDICT_EXPIRED || verdict == NB_VERDICT_TOO_NEW;
	const bool broke = answered && !watch->said.verdict && !watch->trouble.code;

	if (watch->config.absent && (status->code == 403 || status->code == 404)) {
		absent(watch, err);
	} else if (watch->phase == PHASE_INITIAL && verdict == NB_VERDICT_BAD_REQUEST) {
		use_lists(watch, err);
	} else if (watch->phase == PHASE_FOLLOW && lost) {
		read_all_again(watch, verdict == NB_VERDICT_TOO_NEW);
	} else if (watch->phase == PHASE_LIST && !watch->newest &&
		   (lost || verdict == NB_VERDICT_BAD_REQUEST)) {
		read_all_again(watch, true);
	} else if (watch->phase == PHASE_FOLLOW && broke) {
		end_stream(watch, err);
	} else {
		/* A server that cannot go on from this version must not be asked for it for ever. */
		if (watch->phase == PHASE_FOLLOW && verdict != NB_VERDICT_BUSY &&
		    (watch->said.verdict || verdict == NB_VERDICT_BAD_REQUEST))
			watch->complete = false;
		fail(watch, status->retry_after_s, err);
	}
}

static void on_end(const struct nb_api_outcome *outcome, void *arg)
{
	struct nb_watch *watch = arg;
	struct nb_status status = outcome->status;
	struct nb_error err = outcome->error;
	char name[NB_SERVER_NAME_MAX];

	nb_timer_stop(&watch->timer);
	if (watch->said.verdict) {
		status = watch->said;
		nb_fail(&err, NB_ERR_IO, 0, "%s: error %d in a watch: %s",
			nb_server_name(&watch->call.server, name), status.code, status.message);
	} else if (watch->trouble.code) {
		err = watch->trouble;
		nb_wrap(&err, "%s", nb_server_name(&watch->call.server, name));
	} else if (!status.verdict && nb_json_splitter_end(&watch->splitter, &err)) {
		status.verdict = NB_VERDICT_FAILED;
	}
	if (!status.verdict && watch->phase == PHASE_LIST && end_page(watch, &err))
		status.verdict = NB_VERDICT_FAILED;
	if (status.verdict) {
		refused(watch, &status, outcome->answered, &err);
	} else if (watch->phase == PHASE_FOLLOW) {
		end_stream(watch, NULL);
	} else if (watch->phase == PHASE_INITIAL) {
		nb_fail(&err, NB_ERR_IO, 0, "the watch ended before its list was complete");
		end_initial(watch, &err);
	}
}

/* --- requests --- */

static void make_path(struct nb_watch *watch)
{
	const struct nb_watch_config *config = &watch->config;
	struct nb_strbuf *path = &watch->path;

	nb_strbuf_free(path);
	nb_strbuf_put(path, config->path);
	if (config->label_selector)
		nb_query_add(path, "labelSelector", config->label_selector);
	if (config->field_selector)
		nb_query_add(path, "fieldSelector", config->field_selector);
	if (watch->phase == PHASE_LIST) {
		if (watch->next_page || watch->newest)
			nb_query_add_number(path, "limit", PAGE);
		if (watch->next_page)
			nb_query_add(path, "continue", watch->next_page);
		else if (!watch->newest)
			nb_query_add(path, "resourceVersion",
				     *watch->resource_version ? watch->resource_version : "0");
		return;
	}
	nb_query_add(path, "watch", "true");
	nb_query_add(path, "allowWatchBookmarks", "true");
	nb_query_add_number(path, "timeoutSeconds",
			    TIMEOUT_MIN_S + nb_random_up_to(TIMEOUT_MAX_S - TIMEOUT_MIN_S));
	if (watch->phase == PHASE_INITIAL) {
		nb_query_add(path, "sendInitialEvents", "true");
		nb_query_add(path, "resourceVersionMatch", "NotOlderThan");
	} else {
		nb_query_add(path, "resourceVersion", watch->resource_version);
	}
}

/* The next request, by what is known. */
static void start(struct nb_watch *watch)
{
	struct nb_error err = { 0 };
	int rc;

	watch->phase = watch->complete ? PHASE_FOLLOW : watch->lists ? PHASE_LIST : PHASE_INITIAL;
	make_path(watch);
	nb_json_splitter_free(&watch->splitter);
	watch->splitter = (struct nb_json_splitter){
		.key = watch->phase == PHASE_LIST ? "items" : NULL,
		.limit = OBJECT_MAX,
		.fn = on_piece,
		.arg = watch,
	};
	watch->heard = false;
	watch->said = (struct nb_status){ 0 };
	watch->trouble = (struct nb_error){ 0 };
	watch->stats.requests++;
	watch->call.path = watch->path.buf;
	watch->call.gzip = watch->phase == PHASE_LIST;
	rc = watch->path.failed ? nb_fail_nomem(&err) : nb_api_get(&watch->call, &err);
	if (rc)
		fail(watch, 0, &err);
}

static void on_timer(void *arg)
{
	struct nb_watch *watch = arg;
	struct nb_error err = { 0 };

	switch (watch->phase) {
	case PHASE_PAUSE:
		start(watch);
		return;
	case PHASE_FOLLOW:
		is_up(watch);
		return;
	default:
		nb_api_cancel(&watch->call);
		nb_fail(&err, NB_ERR_IO, 0, "the server said nothing for %u ms before its list was complete",
			watch->config.times->silent_ms);
		end_initial(watch, &err);
	}
}

struct nb_watch *nb_watch_new(struct nb_loop *loop, struct nb_api *api, const struct nb_watch_config *config,
			      struct nb_error *err)
{
	struct nb_watch *watch = calloc(1, sizeof(*watch));

	if (!watch) {
		nb_fail_nomem(err);
		return NULL;
	}
	watch->config = *config;
	watch->loop = loop;
	watch->call = (struct nb_api_call){
		.api = api,
		.on_head = on_head,
		.on_body = on_body,
		.on_end = on_end,
		.arg = watch,
	};
	watch->backoff = (struct nb_backoff){
		.first_ms = config->times->pause_first_ms,
		.max_ms = config->times->pause_max_ms,
		.healthy_ms = config->times->healthy_ms,
	};
	watch->timer = (struct nb_timer){ .fn = on_timer, .arg = watch };
	start_after(watch, 0);
	return watch;
}

void nb_watch_free(struct nb_watch **watch)
{
	if (!*watch)
		return;
	nb_timer_stop(&(*watch)->timer);
	nb_api_cancel(&(*watch)->call);
	nb_json_splitter_free(&(*watch)->splitter);
	nb_strbuf_free(&(*watch)->path);
	free((*watch)->next_page);
	free(*watch);
	*watch = NULL;
}

const struct nb_watch_stats *nb_watch_stats(const struct nb_watch *watch)
{
	return &watch->stats;
}
