// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the agent writes to a network of pods: what pods meet, and nothing of what clients outside meet. Real
 * pins in a bpffs of its own: needs root.
 */
#include "agent/cluster.h"
#include "agent/table_write.h"
#include "agent/tables.h"
#include "lib/datapath/datapath.h"
#include "lib/json/json.h"
#include "lib/kube/table.h"
#include "lib/maps/settings.h"
#include "lib/service/change.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "kube_text.h"
#include "netlink_answers.h"
#include "own_bpffs.h"
#include "service_maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct own_bpffs own;
	struct nb_cluster cluster;
	struct nb_tables tables;
	struct nb_table network;
};

static int setup(void **state)
{
	static char name[] = "net";
	struct fixture *fix = calloc(1, sizeof(*fix));

	assert_non_null(fix);
	*state = fix;
	own_bpffs_make(&fix->own);
	fix->network = (struct nb_table){ .name = name,
					  .root = fix->own.root,
					  .owner_fd = -1,
					  .limits = { .connections = NB_CONNECTIONS_MIN } };
	fix->tables.cluster = &fix->cluster;
	fix->cluster.table = nb_kube_table_new(NULL, "here", NULL);
	assert_non_null(fix->cluster.table);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	nb_kube_table_free(&fix->cluster.table);
	own_bpffs_remove(&fix->own);
	free(fix);
	return 0;
}

/* Two Services with an address outside, as the cluster has them. */
static void fill_cluster(struct fixture *fix)
{
	static const char *const services[] = {
		"{\"metadata\": {\"name\": \"a\", \"namespace\": \"n\"}, \"spec\": {\"clusterIP\": "
		"\"10.96.0.1\", "
		"\"externalIPs\": [\"192.0.2.1\"], \"externalTrafficPolicy\": \"Local\", \"ports\": "
		"[{\"port\": 80}]}}",
		"{\"metadata\": {\"name\": \"b\", \"namespace\": \"n\"}, \"spec\": {\"clusterIP\": "
		"\"10.96.0.2\", "
		"\"externalIPs\": [\"192.0.2.2\"], \"ports\": [{\"port\": 80}]}}",
	};
	static const struct nb_json_limits limits = { .depth = 32, .values = 1000 };
	const struct nb_kube_view view = { .outside = true };

	nb_kube_table_set_view(fix->cluster.table, &view);
	for (size_t i = 0; i < 2; i++) {
		nb_cleanup(nb_json_free) struct cJSON *json = NULL;
		struct nb_json root;

		assert_int_equal(nb_json_parse(services[i], strlen(services[i]), &limits, &json, NULL), 0);
		root = nb_json_root(json);
		assert_int_equal(nb_kube_table_put(fix->cluster.table, NB_KUBE_SERVICE, &root, NULL), 0);
	}
}

/* The host has no addresses, each time that the agent asks for them by a socket of its own. */
static void answer_addresses(void)
{
	start();
	nl.portid = getpid(); /* the kernel's choice for the only socket of a process */
	for (size_t i = 0; i < 4; i++)
		push_done(0);
}

/* Writes the next changes of the cluster to the network. */
static void write_changes(struct fixture *fix)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };
	struct nb_error err = { 0 };

	assert_int_equal(nb_kube_table_take(fix->cluster.table, 10, &batch, &err), 0);
	assert_int_equal(batch.services.n, 6);
	answer_addresses();
	if (nb_table_write(&fix->tables, &fix->network, &batch.names, &batch.services, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(batch.services.items[2].key.side, NB_SIDE_OUTSIDE);
}

static void open_network(const struct fixture *fix, struct nb_datapath *dp)
{
	struct nb_error err = { 0 };

	if (nb_datapath_open(&fix->network.root, fix->network.name, true, dp, &err))
		fail_msg("%s", err.msg);
}

static void expect_pods_meet(const struct fixture *fix, const char *expected)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_cleanup(nb_services_free) struct nb_services services = { 0 };
	char text[1024];

	open_network(fix, &dp);
	assert_int_equal(nb_service_read(&dp, &services, NULL), 0);
	kube_format(&services, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_string_equal(test_torn(&dp), "");
}

static const char pods_meet[] = "n/a - 10.96.0.1:80/TCP\nn/a - 192.0.2.1:80/TCP external\n"
				"n/b - 10.96.0.2:80/TCP\nn/b - 192.0.2.2:80/TCP external\n";

static void test_inside_alone(void **state)
{
	struct fixture *fix = *state;

	own_bpffs_require(&fix->own);
	fill_cluster(fix);
	write_changes(fix);
	assert_int_equal(fix->network.last.frontends, 4);
	expect_pods_meet(fix, pods_meet);
}

/* The same where a Service that the cluster does not have any more has an address: all Services are written.
 */
static void test_all_written(void **state)
{
	struct nb_services stale = test_services(
		"n/gone - 192.0.2.1:80/TCP external\nn/b - 10.96.0.2:80/TCP\n", NB_ORIGIN_APPLY);
	struct fixture *fix = *state;
	struct nb_error err = { 0 };

	own_bpffs_require(&fix->own);
	if (nb_table_load(&fix->network, &err))
		fail_msg("%s", err.msg);
	{
		nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;

		open_network(fix, &dp);
		assert_int_equal(nb_service_apply(&dp, &stale, NB_ORIGIN_APPLY, NULL, NULL), 0);
	}
	nb_services_free(&stale);
	fill_cluster(fix);
	write_changes(fix);
	expect_pods_meet(fix, pods_meet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_inside_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_written, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
