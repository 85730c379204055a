// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mode assist: CPUs that look up, insert, change and remove flows of one set, by the code of
 * bpf/assist/flow.h.
 */
#include <stdio.h>
#include <string.h>

#include "bpf/assist/flow.h"
#include "test/hosted/hosted.h"
#include "test/interleave/engine.h"

enum { NOW = 1000, CPUS = 3 };

static struct nb_flow_set set __attribute__((aligned(64)));

/* What each CPU has got. */
static struct {
	union nb_flow_state state; /* of a flow that it has found */
	bool found, done;
} got[CPUS];

/* ---- keys and flows ---- */

/* Of port n: pod A to pod B. Aligned, as NB_FLOW_KEY. */
static struct nb_tuple keys[NB_FLOW_WAYS + 2] __attribute__((aligned(64)));

enum { FIRST = 0, OTHER = NB_FLOW_WAYS, THIRD };

static union nb_flow_state remapped(__be16 port)
{
	return (union nb_flow_state){ .kind = NB_FLOW_REMAPPED, .port = { 0, port } };
}

static union nb_flow_state direct(void)
{
	return (union nb_flow_state){ .kind = NB_FLOW_DIRECT };
}

/* The port that a flow of a key changes back, by the key's number. */
static __be16 port_of(int key)
{
	return 100 + key;
}

static void memory(void)
{
	il_shared(&set, sizeof(set), "set");
	for (unsigned int i = 0; i < CPUS; i++)
		il_private(i, &got[i], sizeof(got[i]));
}

/* IL_ARM: the number of the way, which the tags tell, is part of the addresses behind it. */
static bool leads(const void *at)
{
	return (uintptr_t)at - (uintptr_t)set.heads < sizeof(set.heads);
}

static void setup_empty(void)
{
	const struct nb_constants constants = { .flow_sets = 1, .second = 10 };

	hosted_write(&nb_constants, &constants, sizeof(constants));
	hosted_map(&flows, &set, 1);
	hosted_loop_max = 3;
	for (int i = 0; i < NB_TIMEOUTS; i++)
		nb_settings.timeouts[i] = 100;
	for (int i = 0; i < NB_FLOW_WAYS + 2; i++)
		keys[i] = (struct nb_tuple){ .src.w = { 0, 0, 0xffff0000, 0x0200000a },
					     .dst.w = { 0, 0, 0xffff0000, 0x0300000a },
					     .sport = 1000 + i,
					     .dport = 8080,
					     .proto = IPPROTO_TCP };
}

/* A full set. The flow of the first key was not used for the longest time. */
static void setup_full(void)
{
	setup_empty();
	for (int i = 0; i < NB_FLOW_WAYS; i++)
		nb_flow_insert(&keys[i], NOW - (i ? 10 : 20), remapped(port_of(i)).word, NB_FLOW_NONE);
}

/* One direct flow, which both ends have closed. */
static void setup_closed(void)
{
	union nb_flow_state closed = direct();

	setup_empty();
	closed.closing = NB_FLOW_CLOSED;
	nb_flow_insert(&keys[FIRST], NOW - 10, closed.word, NB_FLOW_NONE);
}

/* ---- what has to be ---- */

static int way_of(const struct nb_tuple *key)
{
	int found = -1;

	for (int i = 0; i < NB_FLOW_WAYS; i++) {
		if (set.heads[i].tag <= NB_FLOW_LOCKED || set.flows[i].gen & 1 ||
		    memcmp(&set.flows[i].key, key, sizeof(*key)))
			continue;
		il_check(found < 0, "two ways have the key of port %u", key->sport);
		found = i;
	}
	return found;
}

/* No lock is left, and no flow half written. */
static void quiet(void)
{
	il_check(!(set.heads[0].tag & NB_FLOW_LOCKED), "the set is locked");
	for (int i = 0; i < NB_FLOW_WAYS; i++)
		il_check(set.heads[i].tag <= NB_FLOW_LOCKED || !(set.flows[i].gen & 1),
			 "way %d is half written", i);
}

/* The flow of a key, if the table has it, is as it was inserted. */
static void intact(int key)
{
	int way = way_of(&keys[key]);

	if (way < 0)
		return;
	il_check(set.flows[way].kind == NB_FLOW_REMAPPED && set.flows[way].port[1] == port_of(key) &&
			 !set.flows[way].port[0] && !set.flows[way].closing,
		 "the flow of port %u has been changed: kind %u, ports %u and %u, closing %u",
		 keys[key].sport, set.flows[way].kind, set.flows[way].port[0], set.flows[way].port[1],
		 set.flows[way].closing);
}

/* ---- two CPUs, one key ---- */

static void insert_direct(void)
{
	struct nb_flow_ref ref;

	if (nb_flow_find(&keys[FIRST], NOW, &ref))
		return;
	got[il_self()].done = nb_flow_insert(&keys[FIRST], NOW, direct().word, ref.state.word);
}

static void one_way(void)
{
	quiet();
	il_check(way_of(&keys[FIRST]) >= 0, "the flow is not in the table");
}

/* Each for a connection of its own. */
static void insert_remapped(void)
{
	__be16 port = 200 + il_self();

	got[il_self()].done = nb_flow_insert(&keys[FIRST], NOW, remapped(port).word, NB_FLOW_NONE);
}

static void winner_has_it(void)
{
	int way = way_of(&keys[FIRST]);
	unsigned int done = 0;

	quiet();
	il_check(way >= 0, "the flow is not in the table");
	for (unsigned int i = 0; i < CPUS; i++) {
		done += got[i].done;
		il_check(!got[i].done || set.flows[way].port[1] == 200 + i, "CPU %u has not got its port", i);
	}
	il_check(done == 1, "%u have got the key", done);
}

/* ---- a flow gives way ---- */

static void insert_other(void)
{
	nb_flow_insert(&keys[OTHER], NOW, remapped(port_of(OTHER)).word, NB_FLOW_NONE);
}

/* So that the next flow takes its way again. */
static void insert_old_other(void)
{
	nb_flow_insert(&keys[OTHER], NOW - 50, remapped(port_of(OTHER)).word, NB_FLOW_NONE);
}

static void insert_third(void)
{
	nb_flow_insert(&keys[THIRD], NOW, remapped(port_of(THIRD)).word, NB_FLOW_NONE);
}

/* As an answer does: it gets the port of its own flow back, or the flow is not known. */
static void translate(int key)
{
	struct nb_flow_ref ref;

	if (!nb_flow_find(&keys[key], NOW, &ref))
		return;
	il_check(ref.state.kind == NB_FLOW_REMAPPED && ref.state.port[1] == port_of(key),
		 "the packet of port %u gets port %u", keys[key].sport, ref.state.port[1]);
	got[il_self()].found = true;
}

static void translate_first(void)
{
	translate(FIRST);
}

static void translate_other(void)
{
	translate(OTHER);
}

static void replaced(void)
{
	quiet();
	for (int key = 0; key < NB_FLOW_WAYS + 2; key++)
		intact(key);
}

/* A FIN of the old flow, noted late, and a port of it. */
static void close_first(void)
{
	struct nb_flow_ref ref;

	if (!nb_flow_find(&keys[FIRST], NOW, &ref))
		return;
	WRITE_ONCE(ref.head->seen, NOW);
	nb_flow_set_closing(&ref, 0, NB_FLOW_CLOSED);
	nb_flow_set_port(&ref, 0, 7);
}

/* Only the flow that was found has changed. */
static void closed_or_replaced(void)
{
	quiet();
	for (int key = FIRST + 1; key < NB_FLOW_WAYS + 2; key++)
		intact(key);
}

/* ---- changes of one flow ---- */

static void fin(unsigned int end)
{
	struct nb_flow_ref ref;

	if (nb_flow_find(&keys[FIRST], NOW, &ref))
		nb_flow_set_closing(&ref, 0, 1 << end);
}

static void fin_of_first(void)
{
	fin(0);
}

static void fin_of_second(void)
{
	fin(1);
}

static void note_port(void)
{
	struct nb_flow_ref ref;

	if (!nb_flow_find(&keys[FIRST], NOW, &ref))
		return;
	got[il_self()].state.port[0] =
		ref.state.port[0] ? ref.state.port[0] : nb_flow_set_port(&ref, 0, 200 + il_self());
}

static void setup_direct(void)
{
	setup_empty();
	nb_flow_insert(&keys[FIRST], NOW - 10, direct().word, NB_FLOW_NONE);
}

/* Both FINs are noted. */
static void both_closed(void)
{
	int way = way_of(&keys[FIRST]);

	quiet();
	il_check(way >= 0 && set.flows[way].closing == NB_FLOW_CLOSED, "a FIN is lost");
}

/* All packets of a connection get one substitute port. */
static void one_port(void)
{
	int way = way_of(&keys[FIRST]);

	quiet();
	il_check(way >= 0, "the flow has gone");
	for (unsigned int i = 0; i < 2; i++)
		il_check(got[i].state.port[0] == set.flows[way].port[0], "CPU %u uses port %u instead of %u",
			 i, got[i].state.port[0], set.flows[way].port[0]);
}

/* The tuple of a closed connection goes to a translated one, or the connection begins anew. */
static void take_over(void)
{
	struct nb_flow_ref ref;

	if (nb_flow_find(&keys[FIRST], NOW, &ref) && ref.state.closing == NB_FLOW_CLOSED)
		got[il_self()].done = nb_flow_remove(&keys[FIRST], ref.state.word);
}

static void syn(void)
{
	struct nb_flow_ref ref;

	if (nb_flow_find(&keys[FIRST], NOW, &ref))
		nb_flow_set_closing(&ref, NB_FLOW_CLOSED, 0);
	else
		nb_flow_insert(&keys[FIRST], NOW, direct().word, ref.state.word);
}

static void one_of_both(void)
{
	int way = way_of(&keys[FIRST]);

	quiet();
	il_check(got[0].done || way >= 0, "the flow has gone, and nobody has taken its tuple");
	il_check(way < 0 || !set.flows[way].closing || !got[0].done, "removed, and still there");
}

enum { ALL = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM };

static const struct il_scenario scenarios[] = {
	{ .name = "two CPUs, one new flow",
	  .memory = memory,
	  .setup = setup_empty,
	  .leads = leads,
	  .actors = { insert_direct, insert_direct },
	  .finally = one_way,
	  .models = ALL },
	{ .name = "two CPUs, one substitute port",
	  .memory = memory,
	  .setup = setup_empty,
	  .leads = leads,
	  .actors = { insert_remapped, insert_remapped },
	  .finally = winner_has_it,
	  .models = ALL },
	{ .name = "a flow gives way while it is read",
	  .memory = memory,
	  .setup = setup_full,
	  .leads = leads,
	  .actors = { insert_other, translate_first },
	  .finally = replaced,
	  .models = ALL },
	{ .name = "a place changes twice while it is read",
	  .memory = memory,
	  .setup = setup_full,
	  .leads = leads,
	  .actors = { insert_old_other, insert_third, translate_first },
	  .finally = replaced,
	  .models = ALL },
	{ .name = "a new flow is read while it is written",
	  .memory = memory,
	  .setup = setup_full,
	  .leads = leads,
	  .actors = { insert_other, translate_other },
	  .finally = replaced,
	  .models = ALL },
	{ .name = "a late FIN of a flow that has given way",
	  .memory = memory,
	  .setup = setup_full,
	  .leads = leads,
	  .actors = { insert_other, close_first },
	  .finally = closed_or_replaced,
	  .models = ALL },
	{ .name = "both ends send FIN",
	  .memory = memory,
	  .setup = setup_direct,
	  .leads = leads,
	  .actors = { fin_of_first, fin_of_second },
	  .finally = both_closed,
	  .models = ALL },
	{ .name = "two packets of a connection get a substitute port",
	  .memory = memory,
	  .setup = setup_direct,
	  .leads = leads,
	  .actors = { note_port, note_port },
	  .finally = one_port,
	  .models = ALL },
	{ .name = "a closed flow is removed, or begins anew",
	  .memory = memory,
	  .setup = setup_closed,
	  .leads = leads,
	  .actors = { take_over, syn },
	  .finally = one_of_both,
	  .models = ALL },
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios));
}
