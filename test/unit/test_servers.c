// SPDX-License-Identifier: GPL-2.0-or-later
/* API servers: taking turns, learning from endpoints, and a file on disk that is not trusted. */
#include "agent/file.h"
#include "agent/servers.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/natbridge-servers-XXXXXX", path[64], unfinished[80];

/* All servers, with * before the current one and the TLS name behind those that have one. */
static char *describe(const struct nb_servers *servers)
{
	struct nb_strbuf text = { 0 };

	for (size_t i = 0; i < servers->n; i++) {
		const struct nb_server *server = &servers->items[i];
		char name[NB_SERVER_NAME_MAX];

		nb_strbuf_append(&text, "%s%s%s%s%s%s ", i == servers->current ? "*" : "",
				 server->tls ? "" : "http:", nb_server_name(server, name), server->prefix,
				 *server->tls_name ? "=" : "", server->tls_name);
	}
	return text.buf;
}

#define expect(servers, text)                                                                                \
	do {                                                                                                 \
		nb_autofree char *is_ = describe(servers);                                                   \
		assert_string_equal(is_, text);                                                              \
	} while (0)

static struct nb_servers make(const char *url, const char *tls_name)
{
	struct nb_servers servers = { 0 };
	struct nb_error err = { 0 };

	assert_int_equal(nb_servers_add(&servers, url, tls_name, &err), 0);
	return servers;
}

/* Addresses with ports, separated by blanks; port 0 is "-". */
static bool learn(struct nb_servers *servers, const char *text)
{
	struct nb_servers_endpoint endpoints[64] = { 0 };
	nb_autofree char *copy = strdup(text);
	char *rest, *word;
	size_t n = 0;

	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		__be16 port = 0;

		if (!nb_addr_port_parse(word, &endpoints[n].addr, &port))
			assert_true(nb_addr_parse(word, &endpoints[n].addr));
		endpoints[n++].port = ntohs(port);
	}
	return nb_servers_learn(servers, endpoints, n);
}

static void test_parse(void **state)
{
	static const struct {
		const char *url, *result; /* or the error */
	} rows[] = {
		{ "https://api.example:6443", "*api.example:6443 " },
		{ "https://10.0.0.1", "*10.0.0.1:443 " },
		{ "http://10.0.0.1", "*http:10.0.0.1:80 " },
		{ "HTTPS://[2001:db8::1]:1/a/b//", "*[2001:db8::1]:1/a/b " },
		{ "", "not a URL" },
		{ "api.example", "not a URL" },
		{ "https://", "not a URL" },
		{ "https://a:65536", "not a URL" },
		{ "https://a b", "not a URL" },
		{ "https://[::1", "not a URL" },
		{ "unix:///x", "neither" },
		{ "https://user@a", "a URL with a user" },
		{ "https://a/#x", "a URL with a user, a query, a fragment" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_servers servers = { 0 };
		struct nb_error err = { 0 };

		if (nb_servers_add(&servers, rows[i].url, NULL, &err)) {
			if (!strstr(err.msg, rows[i].result))
				fail_msg("%s: %s instead of %s", rows[i].url, err.msg, rows[i].result);
			assert_int_equal(servers.n, 0);
			continue;
		}
		expect(&servers, rows[i].result);
	}
}

static void test_turns(void **state)
{
	struct nb_servers servers = make("https://10.0.0.1:6443", NULL);
	struct nb_error err = { 0 };
	struct nb_server first;

	(void)state;
	first = *nb_servers_current(&servers);
	nb_servers_failed(&servers, &first);
	expect(&servers, "*10.0.0.1:6443 ");
	assert_int_equal(nb_servers_add(&servers, "https://10.0.0.2:6443", "fd00::1", &err), 0);
	nb_servers_failed(&servers, &first);
	expect(&servers, "10.0.0.1:6443 *10.0.0.2:6443=[fd00::1] ");
	/* Another watch says the same of the first one. */
	nb_servers_failed(&servers, &first);
	expect(&servers, "10.0.0.1:6443 *10.0.0.2:6443=[fd00::1] ");
	nb_servers_failed(&servers, nb_servers_current(&servers));
	expect(&servers, "*10.0.0.1:6443 10.0.0.2:6443=[fd00::1] ");
}

static void test_learned(void **state)
{
	struct nb_servers servers = make("https://10.0.0.1:6443", NULL),
			  named = make("https://api", "kubernetes");
	struct nb_servers plain = make("http://10.0.0.1:8001", NULL);
	char many[2048] = "";

	(void)state;
	assert_true(learn(&servers, "10.0.0.1:6443 10.0.0.2:6443 [2001:db8::2]:6443 10.0.0.2:6443"));
	expect(&servers, "*10.0.0.1:6443 10.0.0.2:6443=kubernetes.default.svc "
			 "[2001:db8::2]:6443=kubernetes.default.svc ");
	assert_false(learn(&servers, "10.0.0.2:6443 [2001:db8::2]:6443"));
	nb_servers_failed(&servers, nb_servers_current(&servers));
	/* The one in use moves on in the list; one that has gone is not in use. */
	assert_true(learn(&servers, "10.0.0.3:6443 10.0.0.2:6443"));
	expect(&servers,
	       "10.0.0.1:6443 10.0.0.3:6443=kubernetes.default.svc *10.0.0.2:6443=kubernetes.default.svc ");
	assert_true(learn(&servers, "10.0.0.3:6443"));
	expect(&servers, "*10.0.0.1:6443 10.0.0.3:6443=kubernetes.default.svc ");
	/* None of these can be an API server's. */
	assert_false(learn(&servers, ""));
	assert_false(learn(&servers, "127.0.0.1:1 169.254.1.1:1 224.0.0.1:1 0.0.0.0:1"));
	assert_false(learn(&servers, "[::1]:1 [fe80::1]:1 [ff02::1]:1 10.0.0.9"));
	expect(&servers, "*10.0.0.1:6443 10.0.0.3:6443=kubernetes.default.svc ");
	assert_true(learn(&servers, "[::1]:1 10.0.0.1:6443"));
	expect(&servers, "*10.0.0.1:6443 ");
	assert_true(learn(&named, "10.0.0.2:6443"));
	expect(&named, "*api:443=kubernetes 10.0.0.2:6443=kubernetes ");
	assert_false(learn(&plain, "10.0.0.2:6443"));
	for (int i = 1; i <= 40; i++)
		sprintf(many + strlen(many), "10.0.1.%d:6443 ", i);
	assert_true(learn(&servers, many));
	assert_int_equal(servers.n, NB_SERVERS_MAX);
}

static void test_file(void **state)
{
	struct nb_servers servers = make("https://10.0.0.1:6443", NULL), read = servers;
	struct nb_error err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(nb_servers_load(&read, path, &err), 0);
	expect(&read, "*10.0.0.1:6443 ");
	learn(&servers, "10.0.0.2:6443 [2001:db8::2]:1");
	assert_int_equal(nb_servers_save(&servers, path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(unfinished, F_OK), -1);
	assert_int_equal(nb_servers_load(&read, path, &err), 0);
	expect(&read,
	       "*10.0.0.1:6443 10.0.0.2:6443=kubernetes.default.svc [2001:db8::2]:1=kubernetes.default.svc ");
}

/* A file that is not as it should be is refused whole. */
static void test_hostile_file(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
		{ "10.0.0.2\n", 9 },
		{ "10.0.0.2:6443\nevil.example:6443\n", 32 },
		{ "10.0.0.2:6443\n127.0.0.1:6443\n", 29 },
		{ "10.0.0.2:6443\0x\n", 16 },
		{ "10.0.0.2:6443/x\n", 16 },
		{ "https://10.0.0.2:6443\n", 22 },
		{ " 10.0.0.2:6443\n", 15 },
		{ "10.0.0.2:0\n", 11 },
	};
	nb_autofree char *large = calloc(1, 5000);

	(void)state;
	for (size_t i = 0; i <= COUNT(rows); i++) {
		struct nb_servers servers = make("https://10.0.0.1:6443", NULL);
		struct nb_error err = { 0 };

		memset(large, '#', 5000);
		assert_int_equal(nb_file_replace(path, i < COUNT(rows) ? rows[i].text : large,
						 i < COUNT(rows) ? rows[i].len : 5000, &err),
				 0);
		assert_true(nb_servers_load(&servers, path, &err) < 0);
		assert_non_null(strstr(err.msg, path));
		expect(&servers, "*10.0.0.1:6443 ");
	}
}

/* A FIFO, a directory, a symbolic link where the new file is made. */
static void test_other_files(void **state)
{
	nb_autofree char *text = NULL;
	struct nb_error err = { 0 };
	size_t len;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(nb_file_read(path, 10, &text, &len, &err) < 0);
	assert_non_null(strstr(err.msg, "not a regular file"));
	assert_true(nb_file_read(dir, 10, &text, &len, &err) < 0);
	unlink(path);
	assert_int_equal(symlink("/nowhere/else", unfinished), 0);
	assert_true(nb_file_replace(path, "x", 1, &err) < 0);
	assert_int_equal(access(path, F_OK), -1);
	unlink(unfinished);
	assert_int_equal(nb_file_replace(path, "1234567890", 10, &err), 0);
	assert_int_equal(nb_file_read(path, 10, &text, &len, &err), 0);
	assert_string_equal(text, "1234567890");
	free(text);
	text = NULL;
	assert_true(nb_file_read(path, 9, &text, &len, &err) < 0);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/servers", dir);
	snprintf(unfinished, sizeof(unfinished), "%s.new", path);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),        cmocka_unit_test(test_turns),
		cmocka_unit_test(test_learned),      cmocka_unit_test(test_file),
		cmocka_unit_test(test_hostile_file), cmocka_unit_test(test_other_files),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
