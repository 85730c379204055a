// SPDX-License-Identifier: GPL-2.0-or-later
/* The CNI_* environment: what each command needs, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/util/error.h"
#include "plugin/args.h"
#include "plugin/cni_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A complete environment of that command, changed by "NAME=VALUE" (or "NAME" to unset), separated by blanks.
 */
static void set_env(const char *command, const char *changes)
{
	char copy[4096], *rest = copy, *word;

	setenv("CNI_COMMAND", command, 1);
	setenv("CNI_CONTAINERID", "pod-1_a.b", 1);
	setenv("CNI_NETNS", "/run/netns/a", 1);
	setenv("CNI_IFNAME", "eth0", 1);
	setenv("CNI_PATH", "/opt/cni/bin", 1);
	unsetenv("CNI_ARGS");
	unsetenv("CNI_NETNS_OVERRIDE");
	strncpy(copy, changes, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');

		if (!value) {
			unsetenv(word);
			continue;
		}
		*value++ = '\0';
		setenv(word, value, 1);
	}
}

static void test_accepted(void **state)
{
	static const struct {
		const char *command, *changes;
	} rows[] = {
		{ "ADD", "X" },
		{ "DEL", "CNI_NETNS" },
		{ "DEL", "CNI_ARGS=MAC=nonsense" },
		{ "DEL", "CNI_ARGS=nonsense" },
		{ "GC", "CNI_CONTAINERID CNI_IFNAME CNI_NETNS" },
		{ "GC", "CNI_CONTAINERID=../../x" },
		{ "STATUS", "CNI_CONTAINERID CNI_IFNAME CNI_NETNS" },
		{ "VERSION", "CNI_CONTAINERID CNI_IFNAME CNI_NETNS CNI_PATH" },
		{ "ADD", "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=web" },
		{ "ADD", "CNI_ARGS=K8S_POD_NAME=web;IgnoreUnknown=true" },
		{ "ADD", "CNI_ARGS=MAC=" },
		{ "ADD", "CNI_IFNAME=fifteen-bytes-x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_error err = { 0 };
		struct nb_args args;

		set_env(rows[i].command, rows[i].changes);
		if (nb_args_read(&args, &err))
			fail_msg("%s %s: %s", rows[i].command, rows[i].changes, err.msg);
		assert_string_equal(nb_command_name(args.command), rows[i].command);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *command, *changes, *msg;
	} rows[] = {
		{ "add", "X", "unknown CNI_COMMAND \"add\"" },
		{ "ADD", "CNI_CONTAINERID CNI_NETNS CNI_IFNAME CNI_PATH",
		  "missing in the environment: CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH" },
		{ "CHECK", "CNI_NETNS=", "missing in the environment: CNI_NETNS" },
		{ "DEL", "CNI_IFNAME CNI_CONTAINERID=-a",
		  "missing in the environment: CNI_IFNAME; CNI_CONTAINERID \"-a\" is not" },
		{ "GC", "CNI_PATH", "missing in the environment: CNI_PATH" },
		{ "ADD", "CNI_CONTAINERID=a/b", "CNI_CONTAINERID \"a/b\" is not" },
		{ "ADD", "CNI_CONTAINERID=..", "CNI_CONTAINERID \"..\" is not" },
		{ "ADD", "CNI_CONTAINERID=a\tb", "is not [a-zA-Z0-9]" },
		{ "ADD", "CNI_IFNAME=a/b CNI_CONTAINERID=\xff", "; CNI_IFNAME \"a/b\" is not the name" },
		{ "ADD", "CNI_IFNAME=..", "CNI_IFNAME \"..\"" },
		{ "ADD", "CNI_IFNAME=sixteen-bytes-xx", "CNI_IFNAME" },
		{ "ADD", "CNI_IFNAME=eth%d", "CNI_IFNAME" },
		{ "ADD", "CNI_IFNAME=eth:0", "CNI_IFNAME" },
		{ "ADD", "CNI_IFNAME=a\nb", "CNI_IFNAME" },
		{ "ADD", "CNI_NETNS=/run/\x01", "CNI_NETNS" },
		{ "ADD", "CNI_ARGS=K8S_POD_NAME=web", "unknown key \"K8S_POD_NAME\"" },
		{ "ADD", "CNI_ARGS=IgnoreUnknown=0;A=b", "unknown key \"A\"" },
		{ "ADD", "CNI_ARGS=IgnoreUnknown=maybe", "IgnoreUnknown=maybe is not a boolean" },
		{ "ADD", "CNI_ARGS=mac=02:00:00:00:00:01", "unknown key \"mac\"" },
		{ "ADD", "CNI_ARGS=MAC", "\"MAC\" is not KEY=VALUE" },
		{ "ADD", "CNI_ARGS=IgnoreUnknown=1;", "\"\" is not KEY=VALUE" },
		{ "ADD", "CNI_ARGS=A=b=c;IgnoreUnknown=1", "is not KEY=VALUE" },
		{ "CHECK", "CNI_ARGS=MAC=01:00:5e:00:00:01", "MAC=01:00:5e:00:00:01 is not a unicast" },
		{ "ADD", "CNI_ARGS=MAC=02:00:00:00:00", "is not a unicast" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_error err = { 0 };
		struct nb_args args = { .path = "untouched" };

		set_env(rows[i].command, rows[i].changes);
		if (!nb_args_read(&args, &err))
			fail_msg("%s %s was taken", rows[i].command, rows[i].changes);
		assert_int_equal(err.code, NB_ERR_ENVIRONMENT);
		assert_string_equal(args.path, "untouched");
		if (!strstr(err.msg, rows[i].msg))
			fail_msg("%s %s: %s, not %s", rows[i].command, rows[i].changes, err.msg, rows[i].msg);
	}
}

static void test_values(void **state)
{
	static const unsigned char MAC[] = { 2, 0, 0, 0, 0xab, 1 };
	struct nb_error err = { 0 };
	struct nb_args args;

	(void)state;
	set_env("ADD", "CNI_ARGS=MAC=02:00:00:00:AB:01 CNI_NETNS_OVERRIDE=True");
	assert_int_equal(nb_args_read(&args, &err), 0);
	assert_string_equal(args.container_id, "pod-1_a.b");
	assert_string_equal(args.netns, "/run/netns/a");
	assert_string_equal(args.ifname, "eth0");
	assert_string_equal(args.path, "/opt/cni/bin");
	assert_true(args.has_mac && args.netns_override);
	assert_memory_equal(args.mac, MAC, 6);
}

static void test_mac_forms(void **state)
{
	static const unsigned char MAC[] = { 2, 0, 0, 0, 0xab, 1 };
	static const char *const good[] = { "02:00:00:00:ab:01", "02-00-00-00-AB-01", "0200.0000.ab01" };
	static const char *const bad[] = { "",
					   "0200.0000.ab0",
					   "0200.0000.ab011",
					   "0200:0000:ab01",
					   "02:00:00:00:ab:01:02:03",
					   "020000000ab01",
					   "0200.00.0.ab01",
					   "02.00.00.00.ab.01",
					   "00:00:00:00:00:00" };
	unsigned char mac[6];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(nb_mac_parse_any(good[i], mac));
		assert_memory_equal(mac, MAC, 6);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(nb_mac_parse_any(bad[i], mac));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mac_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
