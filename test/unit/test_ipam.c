// SPDX-License-Identifier: GPL-2.0-or-later
/* IPAM as a delegate: what it is given, and what becomes of every kind of answer. The plugins are scripts. */
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/process.h"
#include "plugin/args.h"
#include "plugin/conf.h"
#include "plugin/ipam.h"
#include "plugin/result.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/natbridge-ipam-XXXXXX";

static void write_plugin(const char *name, const char *body)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\necho \"$CNI_COMMAND\" >>%s/calls\n%s\n", dir, body);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void read_file(const char *name, char *buf, size_t size)
{
	nb_autofclose FILE *file = NULL;
	char path[256];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	if (file)
		n = fread(buf, 1, size - 1, file);
	buf[n] = '\0';
}

static void forget_calls(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/calls", dir);
	remove(path);
}

static struct nb_conf conf_for(const char *type, const char *text)
{
	return (struct nb_conf){ .ipam_type = (char *)type, .text = (char *)text, .text_len = strlen(text) };
}

static int add(const struct nb_conf *conf, const struct nb_args *args, struct nb_result *result,
	       struct nb_error *err)
{
	nb_cleanup(nb_ipam_free) struct nb_ipam ipam = { 0 };
	int ret = nb_ipam_start_add(&ipam, conf, args, err);

	return ret ? ret : nb_ipam_finish_add(&ipam, result, err);
}

static void test_add(void **state)
{
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	nb_autofree char *big = calloc(1, 300001);
	char path[300], got[512];
	const struct nb_args args = { .path = path };
	struct nb_conf conf;
	struct nb_error err = { 0 };

	(void)state;
	memset(big, ' ', 300000); /* more than a pipe holds */
	snprintf(path, sizeof(path), ":/nonexistent:%s", dir);
	write_plugin("good", "wc -c >$(dirname \"$0\")/size; echo \"$CNI_COMMAND $CNI_IFNAME $LEFT_ALONE\" "
			     ">$(dirname \"$0\")/env\n"
			     "echo '{\"ips\": [{\"address\": \"10.1.0.2/24\"}]}'");
	conf = conf_for("good", big);
	setenv("CNI_COMMAND", "CHECK", 1);
	setenv("CNI_IFNAME", "eth7", 1);
	setenv("LEFT_ALONE", "yes", 1);
	forget_calls();
	if (add(&conf, &args, &result, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(result.n_ips, 1);
	read_file("size", got, sizeof(got));
	assert_int_equal(atoi(got), 300000);
	read_file("env", got, sizeof(got));
	assert_string_equal(got, "ADD eth7 yes\n");
	read_file("calls", got, sizeof(got));
	assert_string_equal(got, "ADD\n");
}

/* Every failed ADD is followed by a DEL; the message says what the plugin said. */
static void test_failures(void **state)
{
	static const struct {
		const char *body;
		int code;
		const char *msg;
	} rows[] = {
		{ "echo '{\"code\": 11, \"msg\": \"no more addresses\", \"details\": \"in 10.1.0.0/24\"}'; "
		  "exit 1",
		  11, "IPAM plugin \"bad\": ADD: no more addresses; in 10.1.0.0/24" },
		{ "echo '{\"code\": 0, \"msg\": \"odd\"}'; exit 1", NB_ERR_IPAM, "odd" },
		{ "exit 3", NB_ERR_IPAM, "ended with status 3 and printed nothing" },
		{ "kill -9 $$", NB_ERR_IPAM, "ended with status 137 and printed nothing" },
		{ "echo oops; exit 1", NB_ERR_IPAM, "printed no error: oops" },
		{ "echo '[1]'; exit 1", NB_ERR_IPAM, "printed no error: [1]" },
		{ "true", NB_ERR_IPAM, "result of IPAM plugin \"bad\": not JSON: the input is empty" },
		{ "echo garbage", NB_ERR_IPAM, "result of IPAM plugin \"bad\": not JSON" },
		{ "echo null", NB_ERR_IPAM, "is null, not an object" },
		{ "echo '{}'", NB_ERR_IPAM, "it has no address" },
		{ "echo '{\"ips\": [{\"address\": \"x\"}]}'", NB_ERR_IPAM, "\"ips[0].address\": \"x\"" },
		{ "head -c 2000000 /dev/zero", NB_ERR_IPAM, "wrote more than" },
	};
	const struct nb_args args = { .path = dir };
	const struct nb_conf conf = conf_for("bad", "{}");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_result result = { .n_ips = 77 };
		struct nb_error err = { 0 };
		char calls[256], body[512];

		snprintf(body, sizeof(body), "[ \"$CNI_COMMAND\" = ADD ] || exit 0\n%s", rows[i].body);
		write_plugin("bad", body);
		forget_calls();
		assert_true(add(&conf, &args, &result, &err) < 0);
		assert_int_equal(result.n_ips, 77);
		if ((int)err.code != rows[i].code || !strstr(err.msg, rows[i].msg))
			fail_msg("%s: code %d, %s", rows[i].body, (int)err.code, err.msg);
		read_file("calls", calls, sizeof(calls));
		if (strstr(rows[i].body, "exit") || strstr(rows[i].body, "kill")) /* it is asked again */
			assert_string_equal(calls, "ADD\nDEL\nADD\nDEL\n");
		else
			assert_string_equal(calls, "ADD\nDEL\n");
	}
}

/* An address that is left of an earlier ADD is released by the DEL after the failure. */
static void test_left_behind(void **state)
{
	const struct nb_args args = { .path = dir };
	const struct nb_conf conf = conf_for("left", "{}");
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	struct nb_error err = { 0 };
	char calls[256];

	(void)state;
	write_plugin("left", "cd $(dirname \"$0\")\n[ $CNI_COMMAND = ADD ] || exec rm lease\n"
			     "[ ! -e lease ] || { echo '{\"code\": 1, \"msg\": \"has one\"}'; exit 1; }\n"
			     "echo '{\"ips\": [{\"address\": \"10.1.0.2/24\"}]}'\n");
	write_plugin("lease", "");
	forget_calls();
	if (add(&conf, &args, &result, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(result.n_ips, 1);
	read_file("calls", calls, sizeof(calls));
	assert_string_equal(calls, "ADD\nDEL\nADD\n");
}

/* An ADD that is given up: IPAM ends its work first, and is asked for no more than one DEL. */
static void test_given_up(void **state)
{
	const struct nb_args args = { .path = dir };
	const struct nb_conf conf = conf_for("busy", "{}");
	nb_cleanup(nb_ipam_free) struct nb_ipam ipam = { 0 };
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	struct nb_error err = { 0 };
	char calls[256];

	(void)state;
	assert_int_equal(nb_ipam_undo_add(&ipam, &err), 0); /* none was begun */
	/* It is at work for a while, and so still when the ADD is given up. */
	write_plugin("busy", "sleep 0.2; echo end >>$(dirname \"$0\")/calls\n"
			     "echo '{\"ips\": [{\"address\": \"10.1.0.2/24\"}]}'");
	forget_calls();
	assert_int_equal(nb_ipam_start_add(&ipam, &conf, &args, &err), 0);
	assert_int_equal(nb_ipam_undo_add(&ipam, &err), 0);
	assert_int_equal(nb_ipam_undo_add(&ipam, &err), 0);
	read_file("calls", calls, sizeof(calls));
	assert_string_equal(calls, "ADD\nend\nDEL\nend\n");
	nb_ipam_free(&ipam);

	forget_calls();
	assert_int_equal(nb_ipam_start_add(&ipam, &conf, &args, &err), 0);
	nb_ipam_leave_add(&ipam);
	assert_int_equal(nb_ipam_undo_add(&ipam, &err), 0);
	read_file("calls", calls, sizeof(calls));
	assert_string_equal(calls, "ADD\nend\n");
	nb_ipam_free(&ipam);

	forget_calls();
	assert_int_equal(nb_ipam_start_add(&ipam, &conf, &args, &err), 0);
	assert_int_equal(nb_ipam_finish_add(&ipam, &result, &err), 0);
	assert_int_equal(nb_ipam_undo_add(&ipam, &err), 0);
	read_file("calls", calls, sizeof(calls));
	assert_string_equal(calls, "ADD\nend\nDEL\nend\n");
	nb_ipam_free(&ipam);

	write_plugin("busy", "[ $CNI_COMMAND = DEL ]");
	forget_calls();
	assert_int_equal(nb_ipam_start_add(&ipam, &conf, &args, &err), 0);
	assert_true(nb_ipam_finish_add(&ipam, &result, &err) < 0);
	assert_int_equal(nb_ipam_undo_add(&ipam, &err), 0); /* it was */
	read_file("calls", calls, sizeof(calls));
	assert_string_equal(calls, "ADD\nDEL\nADD\nDEL\n");
}

static void test_not_found(void **state)
{
	const struct nb_args args = { .path = dir };
	const struct nb_conf conf = conf_for("absent", "{}");
	struct nb_result result = { 0 };
	struct nb_error err = { 0 };

	(void)state;
	assert_int_equal(add(&conf, &args, &result, &err), -ENOENT);
	assert_int_equal(err.code, NB_ERR_IPAM);
	assert_non_null(strstr(err.msg, "no plugin \"absent\" in CNI_PATH"));
	assert_int_equal(nb_ipam_run(&conf, &args, NB_CNI_DEL, &err), -ENOENT);
}

static void test_deadline(void **state)
{
	char path[300];
	const struct nb_process delegate = { .path = path, .command = "ADD", .input = "", .timeout_ms = 300 };
	struct nb_process_output out = { 0 };
	struct nb_error err = { 0 };
	struct timespec before, after;

	(void)state;
	write_plugin("slow", "exec sleep 30");
	snprintf(path, sizeof(path), "%s/slow", dir);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_true(nb_process_run(&delegate, &out, &err) < 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 5);
	assert_non_null(strstr(err.msg, "did not end within"));
	assert_null(out.text);
}

/* A grandchild that keeps stdout open does not hold us up. */
static void test_left_open(void **state)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	char path[300];
	const struct nb_process delegate = {
		.path = path, .command = "DEL", .input = "", .timeout_ms = 4000
	};
	struct nb_error err = { 0 };

	(void)state;
	write_plugin("forks", "sleep 5 & echo done");
	snprintf(path, sizeof(path), "%s/forks", dir);
	if (nb_process_run(&delegate, &out, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(out.text, "done\n");
	assert_int_equal(out.status, 0);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "good",  "bad",   "left", "busy", "slow",
					     "forks", "calls", "size", "env" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	return remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),         cmocka_unit_test(test_failures),
		cmocka_unit_test(test_left_behind), cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_deadline),    cmocka_unit_test(test_left_open),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
