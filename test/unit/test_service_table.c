// SPDX-License-Identifier: GPL-2.0-or-later
/* The service maps under apply, update and delete, kills included. Real maps: needs root. */
#include <natbridge/conntrack.h>
#include <natbridge/prefix.h>
#include <natbridge/service.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "service_maps.h"

static const struct nb_test_sizes roomy = { 256, 256, 256 };

static const char two[] = "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080 10.244.0.4:8080\n"
			  "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n"
			  "kube-system/dns dns 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
			  "kube-system/dns dns-tcp 10.96.0.2:53/TCP 10.244.0.5:53\n";

/* The maps of one test, or the test is skipped with the reason. */
static struct nb_datapath make(const struct nb_test_sizes *sizes)
{
	struct nb_datapath dp;

	if (!test_maps_make(&dp, sizes)) {
		print_message("# cannot make eBPF maps here: %s\n", strerror(errno));
		nb_datapath_close(&dp);
		skip();
	}
	return dp;
}

typedef int (*change_fn)(const struct nb_datapath *dp, const struct nb_services *services,
			 enum nb_service_origin origin, struct nb_service_changes *changes,
			 struct nb_error *err);

static struct nb_service_changes run(const struct nb_datapath *dp, change_fn fn, const char *text,
				     enum nb_service_origin origin)
{
	struct nb_services services = test_services(text, origin);
	struct nb_service_changes changes = { 0 };
	struct nb_error err = { 0 };

	if (fn(dp, &services, origin, &changes, &err))
		fail_msg("%s", err.msg);
	nb_services_free(&services);
	return changes;
}

static struct nb_service_changes apply(const struct nb_datapath *dp, const char *text)
{
	return run(dp, nb_service_apply, text, NB_ORIGIN_APPLY);
}

static struct nb_service_changes update(const struct nb_datapath *dp, const char *text)
{
	return run(dp, nb_service_update, text, NB_ORIGIN_APPLY);
}

static void expect_refused(const struct nb_datapath *dp, change_fn fn, const char *text,
			   enum nb_service_origin origin, const char *message)
{
	struct nb_services services = test_services(text, origin);
	struct nb_service_changes changes = { 0 };
	struct nb_error err = { 0 };

	assert_true(fn(dp, &services, origin, &changes, &err) < 0);
	assert_string_equal(err.msg, message);
	nb_services_free(&services);
}

static void expect(const struct nb_datapath *dp, const char *text)
{
	struct nb_services services = test_services(text, NB_ORIGIN_APPLY);

	test_expect_tables(dp, &services);
	nb_services_free(&services);
}

static void expect_counts(const struct nb_service_changes *is, size_t added, size_t changed, size_t removed)
{
	assert_int_equal(is->added, added);
	assert_int_equal(is->changed, changed);
	assert_int_equal(is->removed, removed);
}

static void test_apply(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes = apply(&dp, two);

	(void)state;
	expect_counts(&changes, 4, 0, 0);
	assert_int_equal(changes.services, 2);
	assert_int_equal(changes.frontends, 4);
	assert_int_equal(changes.backends, 5);
	expect(&dp, two);

	changes = apply(&dp, two);
	expect_counts(&changes, 0, 0, 0);
	assert_int_equal(changes.map_writes, 0);
	assert_int_equal(changes.services, 2);
	assert_int_equal(changes.backends, 5);

	changes = apply(&dp, "");
	expect_counts(&changes, 0, 0, 4);
	expect(&dp, "");
	changes = apply(&dp, "");
	assert_int_equal(changes.map_writes, 0);
	nb_datapath_close(&dp);
}

/*
 * A change moves the epoch on, and that of its own frontends and of no other. The addresses of one service
 * port share a number.
 */
static void test_epochs(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes;
	__u32 epoch, web, dns;

	(void)state;
	apply(&dp, two);
	epoch = test_settings(&dp).epoch;
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").epoch, epoch);
	web = test_frontend(&dp, "10.96.0.10:80/TCP").service;
	dns = test_frontend(&dp, "10.96.0.2:53/UDP").service;
	assert_int_equal(web, test_frontend(&dp, "[fd00::10]:80/TCP").service);
	assert_int_not_equal(web, dns);
	assert_int_not_equal(dns, test_frontend(&dp, "10.96.0.2:53/TCP").service);

	changes = update(&dp, "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080\n"
			      "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n");
	expect_counts(&changes, 0, 1, 0);
	assert_int_equal(web, test_frontend(&dp, "10.96.0.10:80/TCP").service);
	assert_int_equal(test_settings(&dp).epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "[fd00::10]:80/TCP").epoch, epoch);
	assert_int_equal(test_frontend(&dp, "10.96.0.2:53/UDP").epoch, epoch);

	/* Nothing but what becomes of a backend changes. */
	changes = update(&dp, "default/web http 10.96.0.10:80/TCP !10.244.0.3:8080\n"
			      "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n");
	expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").epoch, epoch + 2);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").count, 0);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").known, 1);

	assert_int_equal(nb_service_delete(&dp, "default/web", &changes, NULL), 0);
	expect_counts(&changes, 0, 0, 2);
	assert_int_equal(changes.services, 1);
	assert_int_equal(test_settings(&dp).epoch, epoch + 3);
	expect(&dp, "kube-system/dns dns 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
		    "kube-system/dns dns-tcp 10.96.0.2:53/TCP 10.244.0.5:53\n");
	nb_datapath_close(&dp);
}

/* What the programs do not read leaves the epoch alone; affinity and a number that moves to them do not. */
static void test_epoch_of_names(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes;
	__u32 epoch;

	(void)state;
	apply(&dp, "a/a x 10.96.0.1:80/TCP 10.244.0.3:80\n");
	epoch = test_settings(&dp).epoch;
	changes = update(&dp, "a/a y 10.96.0.1:80/TCP 10.244.0.3:80\n");
	expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_settings(&dp).epoch, epoch);
	changes = update(&dp, "a/a y 10.96.0.1:80/TCP ~60 10.244.0.3:80\n");
	expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_settings(&dp).epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "10.96.0.1:80/TCP").epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "10.96.0.1:80/TCP").affinity, 60);
	changes = apply(&dp, "b/b y 10.96.0.1:80/TCP ~60 10.244.0.3:80\n");
	assert_int_equal(test_frontend(&dp, "10.96.0.1:80/TCP").epoch, test_settings(&dp).epoch);
	expect(&dp, "b/b y 10.96.0.1:80/TCP ~60 10.244.0.3:80\n");
	nb_datapath_close(&dp);
}

/* An address is marked for as long as some frontend has it, whoever's it is. */
static void test_vip_marks(void **state)
{
	static const char other[] = "b/b - 10.96.0.1:443/TCP\n";
	struct nb_datapath dp = make(&roomy);
	struct nb_frontend mark;

	(void)state;
	apply(&dp, "a/a - 10.96.0.1:80/TCP 10.244.0.3:80\na/a - 10.96.0.1:80/UDP 10.244.0.3:80\n"
		   "a/a - [fd00::1]:80/TCP [fd01::3]:80\n");
	mark = test_vip(&dp, "10.96.0.1");
	assert_int_equal(mark.flags, NB_FRONTEND_VIP);
	assert_int_equal(mark.refs, 2);
	assert_int_equal(test_vip(&dp, "fd00::1").refs, 1);
	assert_int_equal(test_vip(&dp, "10.244.0.3").flags, 0);

	update(&dp, other);
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 3);
	update(&dp, "a/a - 10.96.0.1:80/UDP 10.244.0.3:80\n");
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 2);
	assert_int_equal(test_vip(&dp, "fd00::1").flags, 0);
	assert_int_equal(nb_service_delete(&dp, "a/a", NULL, NULL), 0);
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 1);
	expect(&dp, other);
	assert_int_equal(nb_service_delete(&dp, "b/b", NULL, NULL), 0);
	assert_int_equal(test_vip(&dp, "10.96.0.1").flags, 0);
	expect(&dp, "");
	nb_datapath_close(&dp);
}

/* Backends that only keep what they have: which ones they are is part of the set. */
static void test_draining(void **state)
{
	static const char rows[][128] = {
		"a/a - 10.96.0.1:80/UDP 10.244.0.3:80 !10.244.0.4:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP 10.244.0.4:80 !10.244.0.3:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP !10.244.0.3:80 !10.244.0.4:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP 10.244.0.3:80 10.244.0.4:80 10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP 10.244.0.3:80 10.244.0.4:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP\n",
	};
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes;

	(void)state;
	apply(&dp, rows[0]);
	for (size_t i = 1; i < sizeof(rows) / sizeof(*rows); i++) {
		__u32 epoch = test_settings(&dp).epoch;

		changes = i % 2 ? update(&dp, rows[i]) : apply(&dp, rows[i]);
		expect_counts(&changes, 0, 1, 0);
		expect(&dp, rows[i]);
		assert_int_equal(test_frontend(&dp, "10.96.0.1:80/UDP").epoch, epoch + 1);
		assert_int_equal(apply(&dp, rows[i]).map_writes, 0);
	}
	/* Half of a pair of them lost: only a whole reading sees it. */
	apply(&dp, rows[0]);
	assert_int_equal(bpf_map_delete_elem(
				 dp.map_fd[NB_MAP_BACKENDS],
				 &(struct nb_backend_key){ test_frontend(&dp, "10.96.0.1:80/UDP").set, 2 }),
			 0);
	apply(&dp, rows[0]);
	expect(&dp, rows[0]);
	nb_datapath_close(&dp);
}

static void expect_bounds(const struct nb_datapath *dp, const char *v6, const char *v4)
{
	const char *wanted[2] = { v6, v4 };
	struct nb_settings settings = test_settings(dp);

	for (int i = 0; i < 2; i++) {
		struct nb_prefix prefix = nb_prefix_none();
		struct nb_addr addr;
		unsigned int len;

		if (wanted[i]) {
			assert_true(nb_cidr_parse(wanted[i], &addr, &len));
			prefix = nb_prefix_make(&addr, len);
		}
		assert_memory_equal(&settings.vips[i], &prefix, sizeof(prefix));
	}
}

/* A change of some Services widens the bounds of all VIPs, an apply of all makes them tight again. */
static void test_bounds(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_settings settings;
	struct nb_addr addr;
	unsigned int len;

	(void)state;
	expect_bounds(&dp, NULL, NULL);
	apply(&dp, "a/a - 10.96.0.1:80/TCP\n");
	expect_bounds(&dp, NULL, "10.96.0.1/32");
	update(&dp, "b/b - 10.96.0.14:80/TCP\nb/b - [fd00::10]:80/TCP\n");
	expect_bounds(&dp, "fd00::10/128", "10.96.0.0/28");
	assert_int_equal(nb_service_delete(&dp, "b/b", NULL, NULL), 0);
	expect_bounds(&dp, "fd00::10/128", "10.96.0.0/28");
	run(&dp, nb_service_apply, "c/c - 192.0.2.1:80/TCP\n", NB_ORIGIN_CONFIG);
	expect_bounds(&dp, "fd00::10/128", "0.0.0.0/0");
	run(&dp, nb_service_apply, "", NB_ORIGIN_CONFIG);
	apply(&dp, "a/a - 10.96.0.1:80/TCP\n");
	expect_bounds(&dp, NULL, "10.96.0.1/32");
	assert_int_equal(apply(&dp, "a/a - 10.96.0.1:80/TCP\n").map_writes, 0);

	/* Service ranges belong to the bounds, and whatever else stands in the settings stays. */
	settings = test_settings(&dp);
	settings.timeouts[NB_TIMEOUT_UDP] = 4711;
	assert_true(nb_cidr_parse("10.96.0.0/16", &addr, &len));
	settings.service_cidrs[0] = nb_prefix_make(&addr, len);
	settings.n_service_cidrs = 1;
	assert_int_equal(nb_settings_write(&dp, &settings, NULL), 0);
	apply(&dp, "a/a - 10.97.0.1:80/TCP\n");
	expect_bounds(&dp, NULL, "10.96.0.0/15");
	apply(&dp, "");
	expect_bounds(&dp, NULL, "10.96.0.0/16");
	assert_int_equal(test_settings(&dp).timeouts[NB_TIMEOUT_UDP], 4711);
	nb_datapath_close(&dp);
}

static void test_update_keeps_others(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes;

	(void)state;
	apply(&dp, two);
	/* A port gone, a port new, a VIP moved, a name changed; backends shared with another Service. */
	changes = update(&dp, "kube-system/dns metrics 10.96.0.2:9153/TCP 10.244.0.5:9153\n"
			      "kube-system/dns dns-udp 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
			      "a/new - 10.96.0.3:80/TCP 10.244.0.3:8080 10.244.0.3:8081\n");
	expect_counts(&changes, 2, 1, 1);
	assert_int_equal(changes.services, 3);
	assert_int_equal(changes.frontends, 5);
	assert_int_equal(changes.backends, 7);
	expect(&dp, "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080 10.244.0.4:8080\n"
		    "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n"
		    "kube-system/dns metrics 10.96.0.2:9153/TCP 10.244.0.5:9153\n"
		    "kube-system/dns dns-udp 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
		    "a/new - 10.96.0.3:80/TCP 10.244.0.3:8080 10.244.0.3:8081\n");
	assert_int_equal(test_frontend(&dp, "10.244.0.3:8080/TCP").refs, 2);

	changes = update(&dp, "a/new - 10.96.0.3:80/TCP\n");
	expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_frontend(&dp, "10.244.0.3:8080/TCP").refs, 1);
	assert_int_equal(test_frontend(&dp, "10.244.0.3:8081/TCP").flags, 0);
	/* The cost is that of the change: ledger twice, one frontend, its epoch, the mark of one backend. */
	changes = update(&dp, "a/new - 10.96.0.3:80/TCP 10.244.0.9:1\n");
	assert_in_range(changes.map_writes, 1, 7);
	nb_datapath_close(&dp);
}

/* A frontend's address may be somebody's backend as well. */
static void test_backend_is_frontend(void **state)
{
	static const char chain[] = "a/outer - 10.96.0.1:80/TCP 10.96.0.2:80\n"
				    "b/inner - 10.96.0.2:80/TCP 10.244.0.3:80\n";
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes;

	(void)state;
	apply(&dp, chain);
	expect(&dp, chain);
	update(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.3:80\n");
	expect(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.3:80\nb/inner - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	update(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.2:80\n");
	expect(&dp, chain);
	assert_int_equal(nb_service_delete(&dp, "b/inner", &changes, NULL), 0);
	expect(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.2:80\n");
	nb_datapath_close(&dp);
}

static void test_origins(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_service_changes changes;
	struct nb_services expected, config;

	(void)state;
	apply(&dp, "a/one - 10.96.0.1:80/TCP 10.244.0.3:80\nb/two - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	run(&dp, nb_service_apply, "a/one - 10.96.1.1:80/TCP 10.244.0.3:80\nc/three - 10.96.1.3:80/TCP\n",
	    NB_ORIGIN_CONFIG);
	expect_refused(&dp, nb_service_apply, "x/y - 10.96.1.3:80/TCP\n", NB_ORIGIN_APPLY,
		       "Service c/three and Service x/y both claim 10.96.1.3:80/TCP");
	expect_refused(&dp, nb_service_update, "x/y - 10.96.1.3:80/TCP\n", NB_ORIGIN_APPLY,
		       "Service c/three and Service x/y both claim 10.96.1.3:80/TCP");
	expect_refused(&dp, nb_service_apply, "a/one - 10.96.0.1:80/TCP\n", NB_ORIGIN_CONFIG,
		       "Service a/one and Service a/one both claim 10.96.0.1:80/TCP");

	/* Each source removes its own only, and does not wake up the other's. */
	changes = run(&dp, nb_service_apply, "c/three - 10.96.1.3:80/TCP\n", NB_ORIGIN_CONFIG);
	expect_counts(&changes, 0, 0, 1);
	changes = run(&dp, nb_service_apply, "c/three - 10.96.1.3:80/TCP\n", NB_ORIGIN_CONFIG);
	assert_int_equal(changes.map_writes, 0);
	changes = apply(&dp, "b/two - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	expect_counts(&changes, 0, 0, 1);

	expected = test_services("b/two - 10.96.0.2:80/TCP 10.244.0.3:80\nc/three - 10.96.1.3:80/TCP\n",
				 NB_ORIGIN_APPLY);
	expected.items[1].origin = NB_ORIGIN_CONFIG;
	test_expect_tables(&dp, &expected);
	config = (struct nb_services){ 1, &expected.items[1] };
	run(&dp, nb_service_apply, "", NB_ORIGIN_APPLY);
	test_expect_tables(&dp, &config);
	nb_services_free(&expected);
	nb_datapath_close(&dp);
}

static void test_delete_unknown(void **state)
{
	struct nb_datapath dp = make(&roomy);
	char long_name[300];
	struct nb_error err = { 0 };

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	apply(&dp, two);
	assert_int_equal(nb_service_delete(&dp, "default/we", NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "there is no Service default/we");
	assert_int_equal(nb_service_delete(&dp, "", NULL, &err), -ENOENT);
	assert_int_equal(nb_service_delete(&dp, long_name, NULL, &err), -ENOENT);
	expect(&dp, two);
	nb_datapath_close(&dp);
}

static void test_no_room(void **state)
{
	static const char full[] = "a/a - 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\n"
				   "b/b - 10.0.0.2:1/TCP 10.1.0.3:1 !10.1.0.4:1\n";
	static const char third[] = "c/c - 10.0.0.3:1/TCP 10.1.0.1:1\n";
	static const struct {
		struct nb_test_sizes sizes;
		const char *message;
	} rows[] = {
		{ { 9, 5, 4 },
		  "too many services for this network: 10 frontends and addresses of backends needed, its "
		  "map "
		  "frontends holds at most 9: No space left on device" },
		{ { 10, 4, 4 },
		  "too many services for this network: 5 backends needed, its map backends holds at most 4: "
		  "No "
		  "space left on device" },
		{ { 10, 5, 3 },
		  "too many services for this network: 4 ports of Services needed, its map services holds at "
		  "most "
		  "3: No space left on device" },
	};
	char both[512];

	(void)state;
	snprintf(both, sizeof(both), "%s%s", full, third);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nb_datapath dp = make(&rows[i].sizes);

		apply(&dp, full);
		expect_refused(&dp, nb_service_update, third, NB_ORIGIN_APPLY, rows[i].message);
		expect_refused(&dp, nb_service_apply, both, NB_ORIGIN_APPLY, rows[i].message);
		expect(&dp, full);
		nb_datapath_close(&dp);
	}
}

/* There is no room for all new sets beside the old ones: they are switched one after the other. */
static void test_little_room(void **state)
{
	static const struct nb_test_sizes tight = { 256, 7, 256 };
	struct nb_datapath dp = make(&tight);

	(void)state;
	apply(&dp, "a/a - 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\nb/b - 10.0.0.2:1/TCP 10.1.0.3:1 10.1.0.4:1\n"
		   "c/c - 10.0.0.3:1/TCP 10.1.0.1:1\n");
	apply(&dp, "a/a - 10.0.0.1:1/TCP 10.1.0.1:2 10.1.0.2:2\nb/b - 10.0.0.2:1/TCP 10.1.0.3:2 10.1.0.4:2\n"
		   "c/d - 10.0.0.3:1/TCP 10.1.0.1:2 10.1.0.2:2\n");
	expect(&dp, "a/a - 10.0.0.1:1/TCP 10.1.0.1:2 10.1.0.2:2\nb/b - 10.0.0.2:1/TCP 10.1.0.3:2 10.1.0.4:2\n"
		    "c/d - 10.0.0.3:1/TCP 10.1.0.1:2 10.1.0.2:2\n");
	nb_datapath_close(&dp);
}

/* Numbers of sets and services come round; those in use are passed over. */
static void test_numbers_come_round(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_settings settings;
	struct nb_frontend one, two_;

	(void)state;
	assert_int_equal(nb_settings_read(&dp, &settings, NULL), 0);
	settings.next_set = 0xffffffff;
	settings.next_service = NB_MAX_SERVICES - 1;
	assert_int_equal(nb_settings_write(&dp, &settings, NULL), 0);
	apply(&dp, "a/one - 10.96.0.1:80/TCP 10.244.0.3:80\n");
	update(&dp, "b/two - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	one = test_frontend(&dp, "10.96.0.1:80/TCP");
	two_ = test_frontend(&dp, "10.96.0.2:80/TCP");
	assert_int_equal(one.set, 0xffffffff);
	assert_int_equal(two_.set, 1);
	assert_int_equal(one.service, NB_MAX_SERVICES - 1);
	assert_int_equal(two_.service, 1);

	assert_int_equal(nb_settings_read(&dp, &settings, NULL), 0);
	settings.next_set = 0xffffffff;
	settings.next_service = NB_MAX_SERVICES - 1;
	assert_int_equal(nb_settings_write(&dp, &settings, NULL), 0);
	update(&dp, "c/three - 10.96.0.3:80/TCP 10.244.0.3:80\n");
	assert_int_equal(test_frontend(&dp, "10.96.0.3:80/TCP").set, 2);
	assert_int_equal(test_frontend(&dp, "10.96.0.3:80/TCP").service, 2);
	expect(&dp, "a/one - 10.96.0.1:80/TCP 10.244.0.3:80\nb/two - 10.96.0.2:80/TCP 10.244.0.3:80\n"
		    "c/three - 10.96.0.3:80/TCP 10.244.0.3:80\n");
	nb_datapath_close(&dp);
}

/* Whatever stands in the maps, an apply puts it right. */
static void test_foreign_elements(void **state)
{
	struct nb_datapath dp = make(&roomy);
	struct nb_frontend_key frontend = { .port = 1, .proto = IPPROTO_TCP };
	struct nb_frontend unowned = { .flags = NB_FRONTEND_SERVICE | NB_FRONTEND_BACKEND,
				       .refs = 7,
				       .set = 99,
				       .count = 3,
				       .service = 1 };
	struct nb_backend_key stray = { 77, 3 };
	struct nb_backend backend = { .port = 5 };
	struct nb_service_key name = { .name = "default/web", .index = 9 };
	struct nb_service_entry entry = { .frontend = frontend, .origin = 4711 };

	(void)state;
	apply(&dp, two);
	bpf_map_update_elem(dp.map_fd[NB_MAP_FRONTENDS], &frontend, &unowned, BPF_ANY);
	bpf_map_update_elem(dp.map_fd[NB_MAP_BACKENDS], &stray, &backend, BPF_ANY);
	bpf_map_update_elem(dp.map_fd[NB_MAP_SERVICES], &name, &entry, BPF_ANY);
	stray.set = test_frontend(&dp, "10.96.0.10:80/TCP").set;
	stray.index = 1;
	assert_int_equal(bpf_map_delete_elem(dp.map_fd[NB_MAP_BACKENDS], &stray), 0);
	apply(&dp, two);
	expect(&dp, two);
	nb_datapath_close(&dp);
}

static const char before_kill[] = "a/a x 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\n"
				  "a/a y 10.0.0.1:2/TCP 10.1.0.1:2\n"
				  "a/a z 10.0.0.1:3/UDP 10.1.0.1:3 !10.1.0.5:3\n"
				  "b/gone - 10.0.0.2:1/TCP 10.1.0.2:1\n"
				  "c/moved - 10.0.0.3:1/TCP 10.1.0.3:1\n"
				  "d/same - 10.0.0.4:1/TCP 10.1.0.1:1 10.0.0.1:1\n";
static const char after_kill[] = "a/a x 10.0.0.1:1/TCP 10.1.0.2:1 10.1.0.4:1\n"
				 "a/a x [fd00::1]:1/TCP [fd01::1]:1\n"
				 "a/a zz 10.0.0.1:3/UDP 10.1.0.1:3\n"
				 "c/new - 10.0.0.3:1/TCP 10.1.0.3:1\n"
				 "d/same - 10.0.0.4:1/TCP 10.1.0.1:1 10.0.0.1:1\n"
				 "e/empty - 10.0.0.5:1/TCP\n";

/* Runs the change in a child that ends before its n-th write. False: it came to its end. */
static bool killed_at(const struct nb_datapath *dp, change_fn fn, const char *text, long n)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct nb_services services = test_services(text, NB_ORIGIN_APPLY);

		test_end_at_write(n);
		_exit(fn(dp, &services, NB_ORIGIN_APPLY, NULL, NULL) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 42)
		assert_int_equal(WEXITSTATUS(status), 0);
	return WEXITSTATUS(status) == 42;
}

/* What a later change of another Service must leave of a killed one: each frontend as before or as after. */
static void expect_before_or_after(const struct nb_datapath *dp)
{
	struct nb_services read = { 0 };

	assert_string_equal(test_torn(dp), "");
	assert_int_equal(nb_service_read(dp, &read, NULL), 0);
	test_expect_tables(dp, &read);
	nb_services_free(&read);
}

/* What a connection knows that was made now: the set of its frontend and the epoch. */
struct moment {
	struct nb_services services;
	__u32 epoch;
};

static struct moment look(const struct nb_datapath *dp)
{
	struct moment moment = { .epoch = test_settings(dp).epoch };

	assert_int_equal(nb_service_read(dp, &moment.services, NULL), 0);
	return moment;
}

static bool same_backends(const struct nb_service *x, const struct nb_service *y)
{
	return x->n_eligible == y->n_eligible && x->n_backends == y->n_backends &&
	       nb_service_digest(x->backends, x->n_backends) == nb_service_digest(y->backends, y->n_backends);
}

/* A connection of that moment looks at its frontend again if the set is another one now or is gone. */
static void expect_noticed(const struct nb_datapath *dp, const struct moment *then)
{
	struct moment now = look(dp);

	for (size_t i = 0; i < then->services.n; i++) {
		const struct nb_service *was = &then->services.items[i], *is = NULL;
		struct nb_frontend element;

		for (size_t k = 0; k < now.services.n && !is; k++)
			if (!memcmp(&now.services.items[k].key, &was->key, sizeof(was->key)))
				is = &now.services.items[k];
		if (is && same_backends(is, was))
			continue;
		assert_int_not_equal(now.epoch, then->epoch);
		if (!is)
			continue;
		assert_int_equal(bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &is->key, &element), 0);
		assert_true((__s32)(element.epoch - then->epoch) > 0);
	}
	nb_services_free(&now.services);
}

/* After a kill: another Service's change first, or the same one again at once, which may find all switched.
 */
static void kill_at_every_write(change_fn fn, const char *text, const char *last, bool other_first)
{
	bool killed = true;
	long n;

	for (n = 0; killed && n < 500; n++) {
		struct nb_datapath dp = make(&roomy);
		struct moment before, during;

		apply(&dp, before_kill);
		before = look(&dp);
		killed = killed_at(&dp, fn, text, n);
		assert_string_equal(test_torn(&dp), "");
		during = look(&dp);
		if (other_first) {
			update(&dp, "z/other - 10.0.0.9:1/TCP 10.1.0.9:1\n");
			expect_before_or_after(&dp);
			expect_noticed(&dp, &before);
			expect_noticed(&dp, &during);
		}
		run(&dp, fn, text, NB_ORIGIN_APPLY);
		expect_noticed(&dp, &before);
		expect_noticed(&dp, &during);
		if (other_first && fn == nb_service_update)
			assert_int_equal(nb_service_delete(&dp, "z/other", NULL, NULL), 0);
		expect(&dp, last);
		nb_services_free(&before.services);
		nb_services_free(&during.services);
		nb_datapath_close(&dp);
	}
	print_message("# %ld kills\n", n - 1);
	assert_in_range(n, 30, 499);
}

static void test_killed_apply(void **state)
{
	(void)state;
	kill_at_every_write(nb_service_apply, after_kill, after_kill, true);
	kill_at_every_write(nb_service_apply, after_kill, after_kill, false);
}

static void test_killed_update(void **state)
{
	static const char change[] = "a/a x 10.0.0.1:1/TCP 10.1.0.2:1 10.1.0.4:1\n"
				     "a/a x [fd00::1]:1/TCP [fd01::1]:1\n"
				     "a/a zz 10.0.0.1:3/UDP 10.1.0.1:3\n"
				     "b/gone - 10.0.0.2:1/TCP\n"
				     "e/empty - 10.0.0.5:1/TCP\n";
	char last[1024];

	(void)state;
	snprintf(last, sizeof(last), "%s%s", change,
		 "c/moved - 10.0.0.3:1/TCP 10.1.0.3:1\n"
		 "d/same - 10.0.0.4:1/TCP 10.1.0.1:1 10.0.0.1:1\n");
	kill_at_every_write(nb_service_update, change, last, true);
	kill_at_every_write(nb_service_update, change, last, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_epoch_of_names),
		cmocka_unit_test(test_vip_marks),
		cmocka_unit_test(test_draining),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_update_keeps_others),
		cmocka_unit_test(test_backend_is_frontend),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_delete_unknown),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_numbers_come_round),
		cmocka_unit_test(test_foreign_elements),
		cmocka_unit_test(test_killed_apply),
		cmocka_unit_test(test_killed_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
