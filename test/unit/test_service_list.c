// SPDX-License-Identifier: GPL-2.0-or-later
/* "natbridgectl service list" of a table with both sides of an address and port. Real pins: needs root. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/ensure.h"
#include "lib/maps/settings.h"
#include "lib/service/change.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "own_bpffs.h"
#include "service_maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct own_bpffs own;

static int setup(void **state)
{
	(void)state;
	own_bpffs_make(&own);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	own_bpffs_remove(&own);
	return 0;
}

static void fill(void)
{
	struct nb_services services =
		test_services("a/a http 10.96.0.1:80/TCP 10.244.0.3:1 10.244.1.3:1\n"
			      "a/a http 192.0.2.1:80/TCP external 10.244.0.3:1 10.244.1.3:1\n"
			      "a/a http 192.0.2.1:80/TCP@outside 10.244.0.3:1\n",
			      NB_ORIGIN_APPLY);
	const struct nb_datapath_config config = {
		.root = &own.root,
		.network = "net",
		.mode = NB_MODE_EBPF,
		.limits = { .connections = NB_CONNECTIONS_MIN },
	};
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_error err = { 0 };

	if (nb_datapath_ensure(&config, &dp, &err) ||
	    nb_service_apply(&dp, &services, NB_ORIGIN_APPLY, NULL, &err))
		fail_msg("%s", err.msg);
	nb_services_free(&services);
}

/* Runs the command in a child, and reads what it prints. */
static void list(bool json, char text[2048])
{
	size_t used = 0;
	int ends[2], status;
	pid_t child;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	fflush(stdout);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct nb_cli cli = { .pin_root = own.root };

		dup2(ends[1], STDOUT_FILENO);
		cli.out = nb_out_new(json);
		_exit(nb_cmd_service_list(&cli, NULL) || nb_out_end(cli.out, NULL) ? 1 : 0);
	}
	close(ends[1]);
	while ((n = read(ends[0], text + used, 2047 - used)) > 0)
		used += n;
	text[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* The side is said where it is outside; the lines of what is inside are as they are without it. */
static void test_sides(void **state)
{
	char text[2048];

	(void)state;
	own_bpffs_require(&own);
	fill();
	list(false, text);
	assert_string_equal(text, "NETWORK  SERVICE  PORT  FRONTEND                    KIND        AFFINITY  "
				  "BACKENDS                   "
				  "FROM\n"
				  "net      a/a      http  10.96.0.1:80/TCP            ClusterIP   -         "
				  "10.244.0.3:1,10.244.1.3:1  "
				  "apply\n"
				  "net      a/a      http  192.0.2.1:80/TCP            ExternalIP  -         "
				  "10.244.0.3:1,10.244.1.3:1  "
				  "apply\n"
				  "net      a/a      http  192.0.2.1:80/TCP (outside)  ExternalIP  -         "
				  "10.244.0.3:1               "
				  "apply\n");
	list(true, text);
	assert_string_equal(
		text,
		"[{\"network\":\"net\",\"name\":\"a/a\",\"portName\":\"http\",\"origin\":\"apply\",\"kind\":"
		"\"ClusterIP\",\"affinity\":0,\"address\":\"10.96.0.1\",\"port\":80,\"protocol\":\"TCP\","
		"\"onHost\":false,\"sourceRanges\":[],\"backends\":[{\"address\":\"10.244.0.3\",\"port\":1},"
		"{\"address\":\"10.244.1.3\",\"port\":1}],\"draining\":[]},\n"
		" {\"network\":\"net\",\"name\":\"a/a\",\"portName\":\"http\",\"origin\":\"apply\",\"kind\":"
		"\"ExternalIP\",\"affinity\":0,\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"TCP\","
		"\"onHost\":false,\"sourceRanges\":[],\"backends\":[{\"address\":\"10.244.0.3\",\"port\":1},"
		"{\"address\":\"10.244.1.3\",\"port\":1}],\"draining\":[]},\n"
		" {\"network\":\"net\",\"name\":\"a/a\",\"portName\":\"http\",\"origin\":\"apply\",\"kind\":"
		"\"ExternalIP\",\"affinity\":0,\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"TCP\","
		"\"side\":\"outside\",\"onHost\":false,\"sourceRanges\":[],\"backends\":[{\"address\":"
		"\"10.244.0.3\",\"port\":1}],\"draining\":[]}]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sides) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
