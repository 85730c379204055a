// SPDX-License-Identifier: GPL-2.0-or-later
/* A ring buffer, and the networks that have it. */
#include "listen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <natbridge/abi.h>

#include "lib/datapath/datapath.h"
#include "lib/datapath/fd_array.h"
#include "lib/maps/conn_table.h"
#include "lib/maps/counters.h"
#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"
#include "lib/util/vec.h"

#include "conn_watch.h"

/* The name of a listener's ring buffer, with the number of its process. */
static const char name_format[] = "nb_mon_%d";

/* A network, or former maps of one. */
struct source {
	char *name;
	struct nb_datapath dp;
	__u32 map_id; /* of its map "listeners" */
	__u32 place;
	uint64_t unheard;            /* when it was entered */
	struct nb_conn_table *table; /* NULL: not open */
	struct nb_conn_watch *watch; /* NULL: ends are not wanted, or these maps are former ones */
};

struct nb_listening {
	struct nb_listen_config config;
	int ring_fd;
	struct ring_buffer *ring;
	NB_VEC(struct source) sources;
	int rc; /* of fn */
};

/* ---- places ---- */

/* Whether the process of the ring buffer with this id is gone. */
static bool is_left(__u32 ring_id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(ring_id), pid, failed;

	if (fd < 0)
		return false;
	failed = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return !failed && sscanf(info.name, name_format, &pid) == 1 && pid > 0 && kill(pid, 0) &&
	       errno == ESRCH;
}

/* The element of a place for a kind of events. */
static __u32 element_of(unsigned int kind, __u32 place)
{
	return kind * NB_LISTENERS + place;
}

/* Whether nobody has the place, for whatever kind. Takes out what a killed process has left there. */
static bool is_free(const struct nb_datapath *dp, __u32 place)
{
	bool has_listener = false;

	for (unsigned int kind = 0; kind < NB_EVENT_KINDS; kind++) {
		const __u32 element = element_of(kind, place);
		const __u32 id = nb_fd_array_get(dp, NB_MAP_LISTENERS, element);

		if (id && is_left(id))
			nb_fd_array_set(dp, NB_MAP_LISTENERS, element, -1, NULL);
		has_listener |= nb_fd_array_get(dp, NB_MAP_LISTENERS, element) != 0;
	}
	return !has_listener;
}

/* Empties the places of processes that were killed. Returns a free place; NB_LISTENERS: there is none. */
static __u32 free_place(const struct nb_datapath *dp)
{
	__u32 found = NB_LISTENERS;

	for (__u32 i = 0; i < NB_LISTENERS; i++)
		if (is_free(dp, i) && found == NB_LISTENERS)
			found = i;
	return found;
}

static void leave_place(const struct nb_datapath *dp, __u32 place)
{
	for (unsigned int kind = 0; kind < NB_EVENT_KINDS; kind++)
		nb_fd_array_set(dp, NB_MAP_LISTENERS, element_of(kind, place), -1, NULL);
}

/* ---- networks ---- */

static uint64_t unheard_of(const struct nb_datapath *dp)
{
	__u64 counters[NB_COUNTERS];

	return nb_counters_read(dp, counters, NULL) ? 0 : counters[NB_COUNT_UNHEARD];
}

/* The source with this map; NULL: none has it. */
static struct source *source_of(const struct nb_listening *listening, __u32 map_id)
{
	for (size_t i = 0; i < listening->sources.n; i++)
		if (listening->sources.items[i].map_id == map_id)
			return &listening->sources.items[i];
	return NULL;
}

/* Whether the network's programs write to this listener. Another process may have taken it for a killed one.
 */
static bool is_heard(const struct nb_listening *listening, const struct nb_datapath *dp)
{
	const struct source *source = source_of(listening, nb_fd_id(dp->map_fd[NB_MAP_LISTENERS]));
	const __u32 ring_id = nb_fd_id(listening->ring_fd);

	for (unsigned int kind = 0; source && kind < NB_EVENT_KINDS; kind++)
		if (listening->config.kinds & 1U << kind &&
		    nb_fd_array_get(dp, NB_MAP_LISTENERS, element_of(kind, source->place)) != ring_id)
			return false;
	return source != NULL;
}

static int take_place(const struct nb_listening *listening, const char *network, const struct nb_datapath *dp,
		      __u32 *place, struct nb_error *err)
{
	int rc = 0;

	*place = free_place(dp);
	if (*place == NB_LISTENERS)
		return nb_fail(err, NB_ERR_DATAPATH, EBUSY,
			       "network \"%s\": %d processes listen to it already", network, NB_LISTENERS);
	for (unsigned int kind = 0; kind < NB_EVENT_KINDS && !rc; kind++)
		if (listening->config.kinds & 1U << kind)
			rc = nb_fd_array_set(dp, NB_MAP_LISTENERS, element_of(kind, *place),
					     listening->ring_fd, err);
	if (rc)
		leave_place(dp, *place);
	return rc;
}

static void close_source(struct source *source)
{
	nb_conn_watch_free(&source->watch);
	if (source->table)
		nb_conn_table_close(source->table);
	free(source->table);
	nb_datapath_close(&source->dp);
	free(source->name);
}

/* Maps the network's connections. They count as memory of this process then, which has no other. */
static int open_table(struct source *source, struct nb_error *err)
{
	nb_autofree struct nb_conn_table *table = NULL;
	int rc;

	if (source->table || source->dp.map_fd[NB_MAP_CONNECTIONS] < 0)
		return 0;
	table = calloc(1, sizeof(*table));
	if (!table)
		return nb_fail_nomem(err);
	rc = nb_conn_table_open(&source->dp, table, err);
	if (rc)
		return rc;
	source->table = NB_TAKE_PTR(table);
	return 0;
}

/* Connections of former maps have moved to newer ones: they do not end. */
static void leave_former(struct nb_listening *listening, const char *network)
{
	for (size_t i = 0; i < listening->sources.n; i++)
		if (!strcmp(listening->sources.items[i].name, network))
			nb_conn_watch_free(&listening->sources.items[i].watch);
}

static int watch_connections(const struct nb_listening *listening, struct source *source,
			     struct nb_error *err)
{
	int rc;

	if (!(listening->config.kinds & 1U << NB_EVENT_END))
		return 0;
	rc = open_table(source, err);
	return rc || !source->table ? rc : nb_conn_watch_new(&source->dp, source->table, &source->watch, err);
}

/* dp: taken over if it succeeds. */
static int add_source(struct nb_listening *listening, const char *network, struct nb_datapath *dp,
		      __u32 place, struct nb_error *err)
{
	nb_autofree char *name = NULL;
	struct source source = { .map_id = nb_fd_id(dp->map_fd[NB_MAP_LISTENERS]),
				 .place = place,
				 .unheard = unheard_of(dp),
				 .dp = *dp };
	int rc = nb_vec_reserve(&listening->sources, listening->sources.n + 1, err);

	rc = rc ? rc : nb_strdup(network, &name, err);
	rc = rc ? rc : watch_connections(listening, &source, err);
	if (rc) {
		source.dp = (struct nb_datapath)NB_DATAPATH_INIT; /* the caller's */
		close_source(&source);
		return rc;
	}
	leave_former(listening, network);
	source.name = NB_TAKE_PTR(name);
	listening->sources.items[listening->sources.n++] = source;
	*dp = (struct nb_datapath)NB_DATAPATH_INIT;
	return 0;
}

/* The lock is the root's: two processes may look for a place at once. */
static int enter(struct nb_listening *listening, const char *network, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct source *source;
	__u32 place;
	int rc = nb_datapath_open(listening->config.root, network, true, &dp, err);

	rc = rc ? rc : take_place(listening, network, &dp, &place, err);
	if (rc)
		return rc;
	nb_close_fd(&dp.lock_fd);
	dp.lock_fd = -1;
	source = source_of(listening, nb_fd_id(dp.map_fd[NB_MAP_LISTENERS]));
	if (source) {
		source->place = place;
		return 0;
	}
	rc = add_source(listening, network, &dp, place, err);
	if (rc)
		leave_place(&dp, place);
	return rc;
}

/* Without the lock, for which an ADD would have to wait. */
static int enter_unless_heard(struct nb_listening *listening, const char *network, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	int rc = nb_datapath_open(listening->config.root, network, false, &dp, err);

	if (rc || is_heard(listening, &dp))
		return rc;
	return enter(listening, network, err);
}

struct following {
	struct nb_listening *listening;
	struct nb_error *err; /* NULL: there was one */
	int first;
};

static int follow_network(const char *network, void *arg)
{
	struct following *following = arg;
	const char *wanted = following->listening->config.network;
	int rc;

	if (wanted && strcmp(wanted, network) != 0)
		return 0;
	rc = enter_unless_heard(following->listening, network, following->err);
	if (rc && !following->first) {
		following->first = rc;
		following->err = NULL;
	}
	return 0;
}

int nb_listen_follow(struct nb_listening *listening, struct nb_error *err)
{
	struct following following = { .listening = listening, .err = err };
	int rc = nb_datapath_each(listening->config.root, follow_network, &following, err);

	return following.first ? following.first : rc;
}

unsigned int nb_listen_networks(const struct nb_listening *listening)
{
	return (unsigned int)listening->sources.n;
}

/* Whether a later source has the network's newer maps. */
static bool is_former(const struct nb_listening *listening, size_t source)
{
	for (size_t i = source + 1; i < listening->sources.n; i++)
		if (!strcmp(listening->sources.items[i].name, listening->sources.items[source].name))
			return true;
	return false;
}

int nb_listen_each(const struct nb_listening *listening,
		   int (*fn)(const char *network, const struct nb_datapath *dp, void *arg), void *arg)
{
	int rc = 0;

	for (size_t i = 0; i < listening->sources.n && !rc; i++)
		if (!is_former(listening, i))
			rc = fn(listening->sources.items[i].name, &listening->sources.items[i].dp, arg);
	return rc;
}

/* ---- events ---- */

/* The network of an event, with its newest maps; NULL: it is not known. */
static struct source *source_of_event(const struct nb_listening *listening, const struct nb_event *event)
{
	for (size_t i = listening->sources.n; i > 0; i--)
		if (nb_network_hash(listening->sources.items[i - 1].name) == event->network)
			return &listening->sources.items[i - 1];
	return NULL;
}

/* Where a packet would have gone, if the table has its connection still. Without the table: not known. */
static void translate(struct source *source, struct nb_event *event)
{
	const struct nb_entry *entry;

	if (event->translated.proto || !event->tuple.proto || open_table(source, NULL) || !source->table)
		return;
	entry = nb_conn_table_find(source->table, &event->tuple, NULL);
	if (!entry)
		return;
	event->translated = event->tuple;
	event->translated.src = entry->conn.src;
	event->translated.dst = entry->conn.dst;
	event->translated.sport = entry->conn.sport;
	event->translated.dport = entry->conn.dport;
}

static int tell(struct nb_listening *listening, struct source *source, struct nb_event *event)
{
	if (source && event->kind == NB_EVENT_DROP)
		translate(source, event);
	listening->rc = listening->config.fn(event, source ? source->name : "?", listening->config.arg);
	return listening->rc ? -ECANCELED : 0;
}

/* Another build's programs may write what is none of these kinds. */
static int on_event(void *context, void *data, size_t size)
{
	struct nb_listening *listening = context;
	struct nb_event event = { 0 };
	struct source *source;

	if (size > sizeof(event) || size < offsetof(struct nb_event, head))
		return 0;
	memcpy(&event, data, size);
	if (event.kind >= NB_EVENT_KINDS || size != nb_event_size(event.kind) ||
	    event.head_len > NB_EVENT_HEAD)
		return 0;
	source = source_of_event(listening, &event);
	if (source && source->watch && event.kind != NB_EVENT_DROP &&
	    !nb_conn_watch_note(source->watch, &event))
		return 0;
	return tell(listening, source, &event);
}

struct turn {
	struct nb_listening *listening;
	struct source *source;
};

static int on_end(struct nb_event *event, void *arg)
{
	const struct turn *turn = arg;

	event->network = nb_network_hash(turn->source->name);
	return tell(turn->listening, turn->source, event);
}

int nb_listen_turn(struct nb_listening *listening, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < listening->sources.n && !rc; i++) {
		struct source *source = &listening->sources.items[i];
		struct turn turn = { listening, source };

		if (source->watch)
			rc = nb_conn_watch_turn(source->watch, &source->dp, on_end, &turn, err);
	}
	return listening->rc ? listening->rc : rc;
}

int nb_listen_wait(struct nb_listening *listening, int ms, struct nb_error *err)
{
	int rc = ring_buffer__poll(listening->ring, ms);

	if (listening->rc)
		return listening->rc;
	if (rc == -EINTR)
		return rc;
	return rc < 0 ? nb_fail(err, NB_ERR_SYSTEM, -rc, "cannot read the ring buffer") : 0;
}

uint64_t nb_listen_unheard(const struct nb_listening *listening)
{
	uint64_t n = 0;

	for (size_t i = 0; i < listening->sources.n; i++) {
		const struct source *source = &listening->sources.items[i];
		const uint64_t now = unheard_of(&source->dp);

		n += now > source->unheard ? now - source->unheard : 0;
	}
	return n;
}

/* ---- begin and end ---- */

void nb_listen_end(struct nb_listening **listening)
{
	struct nb_listening *old = *listening;

	if (!old)
		return;
	for (size_t i = 0; i < old->sources.n; i++) {
		leave_place(&old->sources.items[i].dp, old->sources.items[i].place);
		close_source(&old->sources.items[i]);
	}
	nb_vec_free(&old->sources);
	ring_buffer__free(old->ring);
	nb_close_fd(&old->ring_fd);
	free(old);
	*listening = NULL;
}

int nb_listen_begin(const struct nb_listen_config *config, struct nb_listening **listening,
		    struct nb_error *err)
{
	nb_cleanup(nb_listen_end) struct nb_listening *new = calloc(1, sizeof(*new));
	char name[BPF_OBJ_NAME_LEN];
	int rc;

	if (!new)
		return nb_fail_nomem(err);
	*new = (struct nb_listening){ .config = *config, .ring_fd = -1 };
	snprintf(name, sizeof(name), name_format, (int)getpid());
	new->ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, name, 0, 0, NB_LISTENER_BYTES, NULL);
	if (new->ring_fd < 0)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot make a ring buffer");
	new->ring = ring_buffer__new(new->ring_fd, on_event, new, NULL);
	if (!new->ring)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot map the ring buffer");
	rc = nb_listen_follow(new, err);
	if (rc && !new->sources.n)
		return rc;
	*listening = NB_TAKE_PTR(new);
	return 0;
}
