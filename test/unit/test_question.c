// SPDX-License-Identifier: GPL-2.0-or-later
/* The two ends that natbridgectl why is asked about. */
#include "cli/why/question.h"

#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_good(void **state)
{
	static const struct {
		const char *src, *dst;
		const char *from, *to; /* addresses; NULL: not given */
		unsigned int sport, dport;
		uint8_t proto;
		const char *link, *service, *port_name;
	} rows[] = {
		{ "node", "10.96.0.10:80", NULL, "10.96.0.10", 0, 80, IPPROTO_TCP, "", "", "" },
		{ "10.244.0.2", "10.96.0.10:53/udp", "10.244.0.2", "10.96.0.10", 0, 53, IPPROTO_UDP, "", "",
		  "" },
		{ "10.244.0.2:40000", "10.96.0.10:80/tcp", "10.244.0.2", "10.96.0.10", 40000, 80, IPPROTO_TCP,
		  "", "", "" },
		{ "[fd00::2]:40000", "[fd00:96::a]:9/sctp", "fd00::2", "fd00:96::a", 40000, 9, IPPROTO_SCTP,
		  "", "", "" },
		{ "fd00::2", "fd00:96::a/icmp", "fd00::2", "fd00:96::a", 0, 0, IPPROTO_ICMP, "", "", "" },
		{ "veth12", "default/web:80", NULL, NULL, 0, 80, IPPROTO_TCP, "veth12", "default/web", "" },
		{ "10.244.0.2", "default/web:http/udp", "10.244.0.2", NULL, 0, 0, IPPROTO_UDP, "",
		  "default/web", "http" },
		{ "node", "default/web/icmp", NULL, NULL, 0, 0, IPPROTO_ICMP, "", "default/web", "" },
		/* A Service may be called as a protocol is. */
		{ "node", "default/udp:80", NULL, NULL, 0, 80, IPPROTO_TCP, "", "default/udp", "" },
		{ "node", "default/tcp:80/udp", NULL, NULL, 0, 80, IPPROTO_UDP, "", "default/tcp", "" },
	};
	struct nb_question question;
	struct nb_error err = { 0 };
	struct nb_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s %s\n", rows[i].src, rows[i].dst);
		assert_int_equal(nb_question_read(rows[i].src, rows[i].dst, &question, &err), 0);
		assert_int_equal(question.has_src, rows[i].from != NULL);
		if (rows[i].from) {
			assert_true(nb_addr_parse(rows[i].from, &addr));
			assert_true(nb_addr_equal(&question.src, &addr));
		}
		if (rows[i].to) {
			assert_true(nb_addr_parse(rows[i].to, &addr));
			assert_true(nb_addr_equal(&question.dst, &addr));
		}
		assert_int_equal(ntohs(question.sport), rows[i].sport);
		assert_int_equal(ntohs(question.dport), rows[i].dport);
		assert_int_equal(question.proto, rows[i].proto);
		assert_string_equal(question.link, rows[i].link);
		assert_string_equal(question.service, rows[i].service);
		assert_string_equal(question.port_name, rows[i].port_name);
	}
}

static void test_bad(void **state)
{
	static const char *const dsts[] = { "",
					    "/",
					    ":",
					    ":80",
					    "10.96.0.10",
					    "10.96.0.10:",
					    "10.96.0.10:0",
					    "10.96.0.10:65536",
					    "10.96.0.10:http",
					    "10.96.0.10:80/icmp",
					    "10.96.0.10:80/ip",
					    "fd00::1:80/",
					    "[fd00::1]",
					    "web:80",
					    "/web:80",
					    "default/:80",
					    "default/web",
					    "default/web:",
					    "default/web:Http",
					    "default/web/x:80",
					    "default/web:80/icmp",
					    "default/we b:80" };
	static const char *const srcs[] = {
		"", "a/b", "10.244.0.2:0", "10.244.0.2:x", "[fd00::1]", "averylonglinkname", ".."
	};
	char large[400];
	struct nb_question question;

	(void)state;
	for (size_t i = 0; i < sizeof(dsts) / sizeof(*dsts); i++) {
		struct nb_error err = { 0 };

		print_message("%s\n", dsts[i]);
		assert_int_not_equal(nb_question_read("node", dsts[i], &question, &err), 0);
		assert_non_null(strstr(err.msg, dsts[i]));
	}
	for (size_t i = 0; i < sizeof(srcs) / sizeof(*srcs); i++)
		assert_int_not_equal(nb_question_read(srcs[i], "10.96.0.10:80", &question, NULL), 0);
	memset(large, 'a', sizeof(large));
	large[3] = '/';
	memcpy(large + sizeof(large) - 4, ":80", 4);
	for (const char *at = large; *at; at++)
		assert_int_not_equal(nb_question_read("node", at, &question, NULL), 0);
	assert_int_not_equal(nb_question_read("10.244.0.2", "[fd00::1]:80", &question, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
