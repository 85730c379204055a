// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Values of maps that one CPU reads while another one writes. The kernel gives an element of a hash
 * map that was deleted or replaced to the next key at once, while a program may still read it.
 */
#include "env.h"

#include "lib/maps/endpoint.h"
#include "lib/maps/map.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "suites.h"

#define VIP  "10.96.0.10"
#define VIP2 "10.96.0.20"

enum {
	SECONDS = 3,
	BATCH = 64,
	INTERRUPT_NS = 25000,

	PORTS = 60000, /* connections before the table is emptied */
};

/* ---- a CPU that writes, and one that is interrupted while it reads ---- */

/* Writes two elements of a map in turn. What it writes is there already. */
struct writer {
	int map_fd;
	char *keys, *values; /* BATCH of each */
	unsigned long writes;
	pthread_t thread;
	timer_t timer;
};

static atomic_bool writer_stops;

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

static void *writer_run(void *arg)
{
	struct writer *writer = arg;

	pin(0);
	while (!atomic_load(&writer_stops)) {
		__u32 n = BATCH;

		bpf_map_update_batch(writer->map_fd, writer->keys, writer->values, &n, NULL);
		writer->writes += n;
	}
	return NULL;
}

static void on_timer(int signal)
{
	(void)signal;
}

/* So that a program stops for a moment wherever it is, as it does when a network card interrupts it. */
static void interrupt_reader(struct writer *writer)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	const struct itimerspec every = { { 0, INTERRUPT_NS }, { 0, INTERRUPT_NS } };

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	signal(SIGUSR1, on_timer);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &writer->timer), 0);
	assert_int_equal(timer_settime(writer->timer, 0, &every, NULL), 0);
}

static void writer_start(struct writer *writer, struct env *env, enum nb_map map, const void *a,
			 const void *b)
{
	struct nb_map_sizes sizes;
	struct nb_error err = { 0 };

	assert_int_equal(nb_map_sizes(&env->dp, map, &sizes, &err), 0);
	writer->map_fd = env->dp.map_fd[map];
	writer->keys = calloc(BATCH, sizes.key);
	writer->values = calloc(BATCH, sizes.value);
	assert_true(writer->keys && writer->values);
	for (size_t i = 0; i < BATCH; i++) {
		char *key = writer->keys + i * sizes.key, *value = writer->values + i * sizes.value;

		memcpy(key, i % 2 ? b : a, sizes.key);
		assert_int_equal(bpf_map_lookup_elem(writer->map_fd, key, value), 0);
	}
	atomic_store(&writer_stops, false);
	assert_int_equal(pthread_create(&writer->thread, NULL, writer_run, writer), 0);
	pin(1);
	interrupt_reader(writer);
}

static void writer_stop(struct writer *writer)
{
	timer_delete(writer->timer);
	atomic_store(&writer_stops, true);
	pthread_join(writer->thread, NULL);
	free(writer->keys);
	free(writer->values);
}

static void forget_conns(struct env *env)
{
	memset(env->table.sets, 0, env->table.n_sets * sizeof(*env->table.sets));
	memset(env->table.pairs, 0, env->table.n_pairs * sizeof(*env->table.pairs));
}

static struct nb_addr addr(const char *text)
{
	struct nb_addr parsed;

	assert_true(nb_addr_parse(text, &parsed));
	return parsed;
}

/* The destination of a frame. */
static bool goes_to(const uint8_t *frame, const char *pod)
{
	const struct nb_addr to = addr(pod);

	return !memcmp(frame + 14 + 16, &to.w[3], 4);
}

static bool has_mac(const uint8_t *frame, const char *text)
{
	unsigned char mac[6];

	assert_true(nb_mac_parse(text, mac));
	return !memcmp(frame, mac, sizeof(mac));
}

/*
 * Runs packets while another CPU writes the elements a and b. All of them have to go to pod B. New
 * connections each, unless the packet is a fragment.
 */
static void race(struct env *env, enum nb_map map, const void *a, const void *b, struct packet packet)
{
	unsigned int n = 0, wrong = 0, lost = 0;
	struct writer writer = { 0 };
	uint8_t out[FRAME_MAX];
	size_t len;
	time_t end;

	writer_start(&writer, env, map, a, b);
	for (end = time(NULL) + SECONDS; time(NULL) < end; n++) {
		if (!packet.slice_len) {
			packet.sport = n % PORTS + 1000;
			if (n % PORTS == 0)
				forget_conns(env);
		}
		if (env_run(env, FROM_POD, POD_A, &packet, out, &len) != TC_ACT_REDIRECT)
			lost++;
		else
			wrong += !goes_to(out, pod_addr4[POD_B]) || !has_mac(out, pod_mac[POD_B]);
	}
	writer_stop(&writer);
	print_message("%lu writes; of %u packets %u to another pod, %u to none\n", writer.writes, n, wrong,
		      lost);
	assert_int_equal(wrong, 0);
	/* A lookup misses an element that moves in this instant: the packet is lost, or takes the longer way.
	 */
	assert_in_range(lost, 0, 10 + n / 500);
	assert_in_range(n, 1000, UINT32_MAX);
}

static const struct packet query = {
	.src = "10.1.0.2", .dst = VIP, .sport = 1, .dport = 80, .proto = IPPROTO_UDP, .payload = "x"
};

/* ---- Services ---- */

static void serve(struct env *env)
{
	env_service(env, "default/one", VIP ":80", IPPROTO_UDP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/two", VIP2 ":80", IPPROTO_UDP, (const char *[]){ "10.1.0.4:8080", NULL });
}

static void read_frontend(struct env *env, const char *vip, struct nb_frontend_key *key,
			  struct nb_frontend *frontend)
{
	*key = (struct nb_frontend_key){ .addr = addr(vip), .port = htons(80), .proto = IPPROTO_UDP };
	assert_int_equal(bpf_map_lookup_elem(env->dp.map_fd[NB_MAP_FRONTENDS], key, frontend), 0);
}

/* Two frontends are written in turn: connections to the first get its backend. */
static void test_frontend(void **state)
{
	struct env *env = *state;
	struct nb_frontend_key a, b;
	struct nb_frontend frontend;

	serve(env);
	read_frontend(env, VIP, &a, &frontend);
	read_frontend(env, VIP2, &b, &frontend);
	race(env, NB_MAP_FRONTENDS, &a, &b, query);
}

static void test_backend(void **state)
{
	struct env *env = *state;
	struct nb_frontend_key key;
	struct nb_frontend a, b;

	serve(env);
	read_frontend(env, VIP, &key, &a);
	read_frontend(env, VIP2, &key, &b);
	race(env, NB_MAP_BACKENDS, &(struct nb_backend_key){ a.set, 0 }, &(struct nb_backend_key){ b.set, 0 },
	     query);
}

/* The addresses of two pods: packets to a backend get the MAC of its own pod. */
static void test_endpoint(void **state)
{
	const struct nb_addr a = addr(pod_addr4[POD_B]), b = addr(pod_addr4[POD_C]);
	struct env *env = *state;

	serve(env);
	race(env, NB_MAP_ENDPOINTS, &a, &b, query);
}

/* ---- what programs write themselves ---- */

static void read_affinity(struct env *env, enum pod client, struct nb_affinity_key *key,
			  struct nb_affinity *affinity)
{
	struct packet packet = query;
	struct nb_frontend_key at;
	struct nb_frontend frontend;

	packet.src = pod_addr4[client];
	for (packet.sport = 1;; packet.sport++) {
		read_frontend(env, VIP, &at, &frontend);
		*key = (struct nb_affinity_key){ .client = addr(packet.src), .service = frontend.service };
		env_run(env, FROM_POD, client, &packet, NULL, NULL);
		assert_int_equal(bpf_map_lookup_elem(env->dp.map_fd[NB_MAP_AFFINITIES], key, affinity), 0);
		if (affinity->addr.w[3] == htonl(client == POD_A ? 0x0a010003 : 0x0a010004))
			return;
		bpf_map_delete_elem(env->dp.map_fd[NB_MAP_AFFINITIES], key);
	}
}

/* Two clients of a Service keep one backend each. */
static void test_affinity(void **state)
{
	struct nb_affinity_key a, b;
	struct nb_affinity affinity;
	struct env *env = *state;

	env_service_draining(env, "default/one", VIP ":80", IPPROTO_UDP, 1000,
			     (const char *[]){ "10.1.0.3:8080", "10.1.0.4:8080", NULL },
			     (const char *[]){ NULL });
	read_affinity(env, POD_A, &a, &affinity);
	read_affinity(env, POD_C, &b, &affinity);
	race(env, NB_MAP_AFFINITIES, &a, &b, query);
}

/* Two fragmented datagrams of one pod to two ports of an address. */
static void test_fragment(void **state)
{
	struct env *env = *state;
	struct packet packet = query;
	struct nb_fragment_key keys[2];
	int fd;

	env_service(env, "default/one", VIP ":80", IPPROTO_UDP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/two", VIP ":81", IPPROTO_UDP, (const char *[]){ "10.1.0.4:8080", NULL });
	fd = env->dp.map_fd[NB_MAP_FRAGMENTS];
	packet.payload = "a datagram in two fragments, of which the first one has the ports";
	packet.slice_len = 40;
	for (int i = 0; i < 2; i++) {
		packet.dport = 80 + i;
		packet.id = 77 + i;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
		keys[i] = (struct nb_fragment_key){ .src = addr(packet.src),
						    .dst = addr(packet.dst),
						    .id = htons(packet.id),
						    .ifindex = env->ifindex[POD_A],
						    .proto = IPPROTO_UDP };
	}
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &keys[0]), 0);
	assert_int_equal(bpf_map_get_next_key(fd, &keys[0], &keys[1]), 0);
	packet.id = ntohs(keys[0].id);
	packet.slice_from = 40;
	packet.slice_len = 40;
	if (packet.id != 77) {
		struct nb_fragment_key other = keys[0];

		keys[0] = keys[1];
		keys[1] = other;
		packet.id = 77;
	}
	race(env, NB_MAP_FRAGMENTS, &keys[0], &keys[1], packet);
}

/* ---- ports ---- */

enum { OTHER_PORTS = NB_MAX_PORTS - 1 - PODS - 2, FIRST_IFINDEX = 10000 };

/* As a program reads a port: ifindex and gen, the MAC, ifindex and gen. */
struct sampler {
	const struct nb_port *ports;
	unsigned long samples, wrong;
	pthread_t thread;
};

/* The MACs of the pods that come and go end with their ifindex. */
static bool mac_fits(__u64 id, __u64 mac_flags)
{
	const __u32 ifindex = (__u32)id;
	const __u8 *mac = (const __u8 *)&mac_flags;

	return ifindex < FIRST_IFINDEX || (mac[4] == (ifindex >> 8 & 0xff) && mac[5] == (ifindex & 0xff));
}

static void *sampler_run(void *arg)
{
	struct sampler *sampler = arg;

	pin(1);
	while (!atomic_load(&writer_stops))
		for (int slot = 1; slot < NB_MAX_PORTS; slot++) {
			const __u64 *id = (const __u64 *)&sampler->ports[slot].ifindex;
			const __u64 *mac = (const __u64 *)sampler->ports[slot].mac;
			__u64 before = __atomic_load_n(id, __ATOMIC_ACQUIRE);
			__u64 mac_flags = __atomic_load_n(mac, __ATOMIC_ACQUIRE);

			if (before != __atomic_load_n(id, __ATOMIC_ACQUIRE))
				continue;
			sampler->samples++;
			sampler->wrong += !mac_fits(before, mac_flags);
		}
	return NULL;
}

static void add_port(struct env *env, unsigned int ifindex)
{
	struct nb_endpoint_spec spec = { .container_id = "x", .ifname = "eth0", .ifindex = ifindex };
	struct nb_error err = { 0 };
	char name[16];

	snprintf(name, sizeof(name), "%u", ifindex);
	spec.container_id = name;
	spec.mac[0] = 2;
	spec.mac[4] = ifindex >> 8 & 0xff;
	spec.mac[5] = ifindex & 0xff;
	if (nb_endpoint_add(&env->dp, &spec, &err))
		fail_msg("%s", err.msg);
}

static void delete_port(struct env *env, unsigned int ifindex)
{
	struct nb_error err = { 0 };
	char name[16];

	snprintf(name, sizeof(name), "%u", ifindex);
	if (nb_endpoint_delete(&env->dp, name, "eth0", &err))
		fail_msg("%s", err.msg);
}

/* Pods come and go in two slots. Who reads a slot has the MAC of the ifindex that it read. */
static void test_port(void **state)
{
	struct sampler sampler = { 0 };
	struct env *env = *state;
	unsigned int n = 0;
	time_t end;

	for (unsigned int i = 0; i < OTHER_PORTS; i++)
		add_port(env, FIRST_IFINDEX + i);
	sampler.ports = mmap(NULL, NB_MAX_PORTS * sizeof(struct nb_port), PROT_READ, MAP_SHARED,
			     env->dp.map_fd[NB_MAP_PORTS], 0);
	assert_ptr_not_equal(sampler.ports, MAP_FAILED);
	atomic_store(&writer_stops, false);
	assert_int_equal(pthread_create(&sampler.thread, NULL, sampler_run, &sampler), 0);
	pin(0);
	for (end = time(NULL) + SECONDS; time(NULL) < end; n++) {
		add_port(env, FIRST_IFINDEX + OTHER_PORTS + n);
		delete_port(env, FIRST_IFINDEX + OTHER_PORTS + n);
	}
	atomic_store(&writer_stops, true);
	pthread_join(sampler.thread, NULL);
	print_message("%u pods; %lu of %lu samples with the MAC of another pod\n", n, sampler.wrong,
		      sampler.samples);
	assert_int_equal(sampler.wrong, 0);
	assert_in_range(n, 10, UINT32_MAX);
	munmap((void *)sampler.ports, NB_MAX_PORTS * sizeof(struct nb_port));
}

/* ---- settings ---- */

/* Writes two values of the settings in turn. */
struct setter {
	struct env *env;
	struct nb_settings values[2];
	unsigned long writes;
	pthread_t thread;
};

static void *setter_run(void *arg)
{
	struct setter *setter = arg;
	struct nb_error err = { 0 };

	pin(0);
	while (!atomic_load(&writer_stops))
		if (nb_settings_write(&setter->env->dp, &setter->values[setter->writes++ % 2], &err))
			break;
	return NULL;
}

/*
 * The bounds of the VIPs are widened and become tight again. A packet to a VIP and a port that no
 * frontend has is rejected in any case.
 */
static void test_vips(void **state)
{
	struct packet packet = query;
	struct setter setter = { 0 };
	struct env *env = *state;
	struct nb_error err = { 0 };
	unsigned int n = 0, passed = 0;
	const struct nb_addr wide = addr("10.0.0.0");
	time_t end;

	serve(env);
	setter.env = env;
	assert_int_equal(nb_settings_read(&env->dp, &setter.values[0], &err), 0);
	setter.values[1] = setter.values[0];
	setter.values[1].vips[1] = nb_prefix_make(&wide, 8);
	atomic_store(&writer_stops, false);
	assert_int_equal(pthread_create(&setter.thread, NULL, setter_run, &setter), 0);
	pin(1);
	packet.sport = 1;
	packet.dport = 9;
	for (end = time(NULL) + SECONDS; time(NULL) < end; n++)
		passed += env_run(env, FROM_POD, POD_A, &packet, NULL, NULL) != TC_ACT_REDIRECT;
	atomic_store(&writer_stops, true);
	pthread_join(setter.thread, NULL);
	print_message("%lu writes; of %u packets to a VIP %u were not rejected\n", setter.writes, n, passed);
	assert_int_equal(passed, 0);
}

int suite_shared(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_frontend), ENV_TEST(test_backend),  ENV_TEST(test_endpoint),
		ENV_TEST(test_affinity), ENV_TEST(test_fragment), ENV_TEST(test_port),
		ENV_TEST(test_vips),
	};

	return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
