// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs packets, and looks at the table afterwards. */
#include "env.h"

#include "lib/maps/conn_table.h"
#include "lib/maps/counters.h"
#include "lib/maps/map.h"
#include "lib/maps/tick.h"
#include "lib/maps/usage.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "way.h"

static const enum nb_prog progs[NB_MODES][HOOKS] = {
	[NB_MODE_EBPF] = { [FROM_POD] = NB_PROG_FROM_POD,
			   [TO_POD] = NB_PROG_TO_POD,
			   [ENTER_POD] = NB_PROG_ENTER_POD },
	[NB_MODE_ASSIST] = { [FROM_POD] = NB_PROG_ASSIST_FROM, [TO_POD] = NB_PROG_ASSIST_HOST },
	[NB_MODE_NODE] = { [NB0_OUT] = NB_PROG_NB0_OUT,
			   [DEVICE_IN] = NB_PROG_DEVICE_IN,
			   [DEVICE_OUT] = NB_PROG_DEVICE_OUT,
			   [POD_OUT] = NB_PROG_POD_OUT },
};

int env_run_frame(struct env *env, enum hook hook, unsigned int at, const uint8_t *frame, size_t len,
		  uint8_t *out, size_t *out_len)
{
	struct __sk_buff ctx = { .ifindex = env->ifindex[at],
				 .ingress_ifindex = env->from,
				 .cb = { env->bridge } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
		    .data_size_out = FRAME_MAX + 256, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = 1);

	int rc = bpf_prog_test_run_opts(env->dp.prog_fd[progs[env->mode][hook]], &opts);

	if (rc) {
		packet_dump("the kernel does not run a program on this", frame, len);
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(-rc));
	}
	env->duration = opts.duration;
	*out_len = opts.data_size_out;
	return (int)opts.retval;
}

int env_run(struct env *env, enum hook hook, unsigned int at, const struct packet *in, uint8_t *out,
	    size_t *out_len)
{
	uint8_t frame[FRAME_MAX], result[FRAME_MAX + 256];
	size_t len;
	int rc = env_run_frame(env, hook, at, frame, packet_build(in, frame), result, &len);

	assert_in_range(len, 0, FRAME_MAX);
	if (out) {
		memcpy(out, result, len);
		*out_len = len;
	}
	return rc;
}

void env_expect(struct env *env, enum hook hook, unsigned int at, const struct packet *in, int verdict,
		const struct packet *out)
{
	uint8_t got[FRAME_MAX], want[FRAME_MAX];
	size_t got_len, want_len = packet_build(out, want);
	int rc = env_run(env, hook, at, in, got, &got_len);

	if (rc == verdict && got_len == want_len && !memcmp(got, want, want_len))
		return;
	packet_dump("got", got, got_len);
	packet_dump("want", want, want_len);
	fail_msg("verdict %d instead of %d, or another packet", rc, verdict);
}

void env_expect_untouched(struct env *env, enum hook hook, unsigned int at, const struct packet *in)
{
	env_expect(env, hook, at, in, -1 /* TC_ACT_UNSPEC */, in);
}

static void add_backends(struct nb_service *service, struct nb_service_backend list[16],
			 const char *const *backends, bool draining)
{
	for (; *backends; backends++) {
		struct nb_service_backend *backend = &list[service->n_backends++];

		assert_in_range(service->n_backends, 1, 16);
		assert_true(nb_addr_port_parse(*backends, &backend->addr, &backend->port));
		backend->draining = draining;
	}
}

void env_service_draining(struct env *env, const char *name, const char *vip, uint8_t proto,
			  uint32_t affinity, const char *const *backends, const char *const *draining)
{
	struct nb_service_backend list[16] = { 0 };
	struct nb_service service = { .backends = list, .key.proto = proto, .affinity = affinity };
	struct nb_services services = { .n = 1, .items = &service };
	struct nb_service_changes changes;
	struct nb_error err = { 0 };

	snprintf(service.name, sizeof(service.name), "%s", name);
	assert_true(nb_addr_port_parse(vip, &service.key.addr, &service.key.port));
	add_backends(&service, list, backends, false);
	add_backends(&service, list, draining, true);
	assert_int_equal(nb_services_normalize(&services, &err), 0);
	if (nb_service_update(&env->dp, &services, NB_ORIGIN_APPLY, &changes, &err))
		fail_msg("%s", err.msg);
}

void env_service(struct env *env, const char *name, const char *vip, uint8_t proto,
		 const char *const *backends)
{
	env_service_draining(env, name, vip, proto, 0, backends, (const char *[]){ NULL });
}

void env_services_clear(struct env *env)
{
	struct nb_services none = { 0 };
	struct nb_service_changes changes;
	struct nb_error err = { 0 };

	if (nb_service_apply(&env->dp, &none, NB_ORIGIN_APPLY, &changes, &err))
		fail_msg("%s", err.msg);
}

static struct nb_tuple tuple_of(enum nb_side side, const struct packet *packet)
{
	return (struct nb_tuple){
		.src = env_addr(packet->src),
		.dst = env_addr(packet->dst),
		.sport = htons(packet->sport),
		.dport = htons(packet->dport),
		.proto = packet->proto ? packet->proto : IPPROTO_TCP,
		.side = side,
	};
}

static struct nb_entry *entry_at(struct env *env, enum nb_side side, const struct packet *packet,
				 __u32 *entry_id)
{
	struct nb_tuple tuple = tuple_of(side, packet);

	return nb_conn_table_find(&env->table, &tuple, entry_id);
}

static struct nb_entry *entry_of(struct env *env, const struct packet *packet, __u32 *entry_id)
{
	return entry_at(env, NB_SIDE_INSIDE, packet, entry_id);
}

bool env_conn_at(struct env *env, enum nb_side side, const struct packet *packet, struct nb_conn *conn)
{
	struct nb_entry *entry = entry_at(env, side, packet, NULL);

	if (!entry)
		return false;
	*conn = entry->conn;
	nb_conn_drop_unknown(conn, conn->life);
	return true;
}

bool env_conn(struct env *env, const struct packet *packet, struct nb_conn *conn)
{
	return env_conn_at(env, NB_SIDE_INSIDE, packet, conn);
}

void env_conn_lose(struct env *env, const struct packet *packet)
{
	__u64 *way;
	__u32 entry_id;

	assert_non_null(entry_of(env, packet, &entry_id));
	way = way_of(&env->table, entry_id);
	assert_non_null(way);
	*way = 0;
}

void env_conn_write(struct env *env, const struct packet *packet, const struct nb_conn *conn)
{
	struct nb_entry *entry = entry_of(env, packet, NULL);

	assert_non_null(entry);
	entry->conn = *conn;
}

uint32_t env_now(struct env *env)
{
	struct nb_error err = { 0 };
	__u32 now;

	assert_int_equal(nb_tick_now(&env->dp, &now, &err), 0);
	return now;
}

static __u32 read_port(struct env *env, enum pod pod, struct nb_port *port)
{
	struct nb_error err = { 0 };
	__u32 port_slot;

	assert_int_equal(nb_map_get(&env->dp, NB_MAP_LINKS, &env->ifindex[pod], &port_slot, &err), 1);
	assert_int_equal(nb_map_get(&env->dp, NB_MAP_PORTS, &port_slot, port, &err), 1);
	return port_slot;
}

static void write_port(struct env *env, __u32 port_slot, const struct nb_port *port)
{
	struct nb_error err = { 0 };

	assert_int_equal(nb_map_write(&env->dp, NB_MAP_PORTS, &port_slot, port, 1, NULL, &err), 0);
}

void env_port_flags(struct env *env, enum pod pod, __u16 flags)
{
	struct nb_port port;
	__u32 port_slot = read_port(env, pod, &port);

	port.flags = flags;
	write_port(env, port_slot, &port);
}

void env_port_mac(struct env *env, enum pod pod, unsigned char mac[6])
{
	struct nb_port port;

	read_port(env, pod, &port);
	memcpy(mac, port.mac, sizeof(port.mac));
}

void env_port_set_mac(struct env *env, enum pod pod, const unsigned char mac[6])
{
	struct nb_port port;
	__u32 port_slot = read_port(env, pod, &port);

	memcpy(port.mac, mac, sizeof(port.mac));
	write_port(env, port_slot, &port);
}

void env_advance(struct env *env, unsigned int seconds)
{
	__u32 ticks = nb_ticks_from_seconds(seconds);

	for (__u32 entry_id = 0; entry_id < 2 * env->table.n_pairs; entry_id++) {
		struct nb_conn *conn = &env->table.pairs[entry_id / 2].dir[entry_id % 2].conn;

		conn->life = nb_life_with_expires(conn->life, nb_life_expires(conn->life) - ticks);
		conn->checked = nb_tag(conn->checked, (nb_tagged_more(conn->checked) - ticks) & NB_SMALL_MASK,
				       conn->checked);
	}
}

unsigned int env_conn_count(struct env *env)
{
	struct nb_error err = { 0 };
	__u32 connections;

	assert_int_equal(nb_map_count(&env->dp, NB_MAP_CONNECTIONS, &connections, &err), 0);
	return connections;
}

static void expect_entry(struct env *env, __u32 entry_id)
{
	const struct nb_pair *pair = &env->table.pairs[entry_id / 2];
	const struct nb_entry *entry = &pair->dir[entry_id % 2];
	const struct nb_conn *conn = &entry->conn;
	const struct nb_tuple received = { .src = conn->dst,
					   .dst = conn->src,
					   .sport = conn->dport,
					   .dport = conn->sport,
					   .proto = entry->key.proto,
					   .side = pair->dir[!(entry_id % 2)].key.side };
	char src[NB_ADDR_STRLEN], dst[NB_ADDR_STRLEN];
	__u32 found = ~entry_id;

	if (nb_conn_table_find(&env->table, &entry->key, &found) == entry && found == entry_id &&
	    !memcmp(&received, &pair->dir[!(entry_id % 2)].key, sizeof(received)) &&
	    !!(conn->flags & NB_CONN_REPLY) == entry_id % 2)
		return;
	fail_msg("not one of two entries of a connection: %s:%u > %s:%u, protocol %u, flags %#x, state %u, "
		 "entry %u, found %u",
		 nb_addr_format(&entry->key.src, src), ntohs(entry->key.sport),
		 nb_addr_format(&entry->key.dst, dst), ntohs(entry->key.dport), entry->key.proto, conn->flags,
		 nb_life_state(conn->life), entry_id, found);
}

void env_expect_whole(struct env *env)
{
	unsigned int connections = 0, tuples = 0;

	for (__u32 pair_id = 0; pair_id < env->table.n_pairs; pair_id++) {
		__u32 use = nb_life_use(env->table.pairs[pair_id].dir[0].conn.life);

		assert_true(use == NB_USE_FREE || use == NB_USE_TAKEN);
		if (use == NB_USE_FREE)
			continue;
		connections++;
		expect_entry(env, 2 * pair_id);
		expect_entry(env, 2 * pair_id + 1);
	}
	for (__u32 i = 0; i < env->table.n_sets * NB_CONN_WAYS; i++)
		tuples += env->table.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	assert_int_equal(tuples, 2 * connections);
}

uint64_t env_counter(struct env *env, enum nb_counter counter)
{
	__u64 counters[NB_COUNTERS];
	struct nb_error err = { 0 };

	assert_int_equal(nb_counters_read(&env->dp, counters, &err), 0);
	return counters[counter];
}
