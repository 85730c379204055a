// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kubeconfigs and service accounts: what is read, what is refused by name, and that no message
 * shows a secret.
 */
#include "agent/base64.h"
#include "agent/credentials.h"
#include "agent/kubeconfig.h"
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
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/natbridge-kubeconfig-XXXXXX";

static void write_file(const char *name, const char *text, size_t len)
{
	nb_autofclose FILE *file = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

/* Reads a kubeconfig of this text; NULL: of a file that is not there. */
static int read_text(const char *text, struct nb_kubeconfig *conf, struct nb_error *err)
{
	char path[256];

	if (text)
		write_text("kubeconfig", text);
	snprintf(path, sizeof(path), "%s/%s", dir, text ? "kubeconfig" : "none");
	return nb_kubeconfig_read(path, conf, err);
}

#define CONTEXT                                                                                              \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"                                                 \
	"contexts: [{name: x, context: {cluster: none}}, {name: c, context: {cluster: k, user: u}}]\n"
#define CLUSTER(fields)                                                                                      \
	"clusters: [{name: other, cluster: {insecure-skip-tls-verify: true}}, {name: k, cluster: {" fields   \
	"}}]\n"
#define USER(fields) "users: [{name: other, user: {exec: {command: sh}}}, {name: u, user: {" fields "}}]\n"
#define SERVER       CLUSTER("server: 'https://192.0.2.1:6443'")

/* One line for each that is set. */
static char *describe(const struct nb_kubeconfig *conf)
{
	const struct {
		const char *name;
		const struct nb_kubeconfig_item *item;
	} items[] = {
		{ "ca", &conf->ca },
		{ "cert", &conf->client_cert },
		{ "key", &conf->client_key },
		{ "token", &conf->token },
	};
	struct nb_strbuf text = { 0 };

	nb_strbuf_append(&text, "server %s\n", conf->server);
	if (conf->tls_server_name)
		nb_strbuf_append(&text, "name %s\n", conf->tls_server_name);
	if (conf->proxy_url)
		nb_strbuf_append(&text, "proxy %s\n", conf->proxy_url);
	for (size_t i = 0; i < COUNT(items); i++) {
		const struct nb_kubeconfig_item *item = items[i].item;
		const char *path = item->path;

		if (path && !strncmp(path, dir, strlen(dir)))
			path += strlen(dir);
		if (item->data)
			nb_strbuf_append(&text, "%s <%.*s>\n", items[i].name, (int)item->len, item->data);
		if (path)
			nb_strbuf_append(&text, "%s file %s\n", items[i].name, path);
	}
	return text.buf;
}

static void test_accepted(void **state)
{
	static const struct {
		const char *text, *result;
	} rows[] = {
		{ CONTEXT SERVER USER(""), "server https://192.0.2.1:6443\n" },
		{ "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n" SERVER,
		  "server https://192.0.2.1:6443\n" },
		{ CONTEXT CLUSTER("server: 'https://[2001:db8::1]/prefix/', tls-server-name: kubernetes, "
				  "proxy-url: 'socks5://p:1', "
				  "insecure-skip-tls-verify: false, certificate-authority: ca.crt, "
				  "extensions: [], disable-compression: true")
			  USER("client-certificate: /a/c.crt, client-key: ../c.key, tokenFile: t, username: "
			       "'', as-groups: []"),
		  "server https://[2001:db8::1]/prefix/\nname kubernetes\nproxy socks5://p:1\nca file "
		  "/ca.crt\n"
		  "cert file /a/c.crt\nkey file /../c.key\ntoken file /t\n" },
		{ CONTEXT CLUSTER("server: 'https://api', certificate-authority-data: 'aGVsbG8='")
			  USER("client-certificate-data: Yw==, client-key-data: \"a2\\nV5\\n\", token: abc"),
		  "server https://api\nca <hello>\ncert <c>\nkey <key>\ntoken <abc>\n" },
		/* As client-go has it: data before a file, a token's file before the token. */
		{ CONTEXT CLUSTER("server: 'https://api', certificate-authority-data: YQ==, "
				  "certificate-authority: ca") USER("token: abc, tokenFile: t"),
		  "server https://api\nca <a>\nca file /ca\ntoken file /t\n" },
		{ CONTEXT CLUSTER("server: 'http://127.0.0.1:8001'") USER(""),
		  "server http://127.0.0.1:8001\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_kubeconfig_free) struct nb_kubeconfig conf = { 0 };
		nb_autofree char *is = NULL;
		struct nb_error err = { 0 };

		assert_int_equal(read_text(rows[i].text, &conf, &err), 0);
		is = describe(&conf);
		assert_string_equal(is, rows[i].result);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ NULL, "No such file" },
		{ "", "not one YAML document" },
		{ "{}\n---\n{}", "not one YAML document" },
		{ "[]", "not an object" },
		{ "a: [", "not valid YAML: line 2" },
		{ "{}", "there is no \"current-context\"" },
		{ "current-context: c", "\"contexts\": there is no \"c\"" },
		{ "current-context: [1]", "\"current-context\"" },
		{ "current-context: c\ncontexts: {}", "\"contexts\": is an object, not an array" },
		{ "current-context: c\ncontexts: [7]", "\"contexts[0]\": is a number, not an object" },
		{ "current-context: c\ncontexts: [{name: c, context: 7}]", "\"contexts[0].context\"" },
		{ CONTEXT, "\"clusters\": there is no \"k\"" },
		{ CONTEXT SERVER, "\"users\": there is no \"u\"" },
		{ CONTEXT CLUSTER("") USER(""), "has no \"server\"" },
		{ CONTEXT CLUSTER("server: 7") USER(""), "\"clusters[1].cluster.server\": not a string" },
		{ CONTEXT CLUSTER("server: 'ftp://a'") USER(""),
		  "\"server\": neither an https:// nor an http:// URL" },
		{ CONTEXT CLUSTER("server: 'https://u:secret@a'") USER(""), "\"server\": a URL with a user" },
		{ CONTEXT CLUSTER("server: 'https://a?secret'") USER(""),
		  "\"server\": a URL with a user, a query" },
		{ CONTEXT CLUSTER("server: 'https://a:0'") USER(""), "\"server\": " },
		{ CONTEXT CLUSTER("server: 'https://[fe80::1%25eth0]'") USER(""), "a zone is not supported" },
		{ CONTEXT CLUSTER("server: 'https://a', tls-server-name: 'a/b'") USER(""),
		  "the TLS name is neither" },
		{ CONTEXT CLUSTER("server: 'https://a', proxy-url: 'file://secret'") USER(""),
		  "\"proxy-url\": not an http" },
		{ CONTEXT CLUSTER("server: 'https://a', insecure-skip-tls-verify: true") USER(""),
		  "\"clusters[1].cluster.insecure-skip-tls-verify\": not supported" },
		{ CONTEXT CLUSTER("server: 'https://a', certificate-authority-data: 'secret!'") USER(""),
		  "\"clusters[1].cluster.certificate-authority-data\": not base64" },
		{ CONTEXT SERVER USER("exec: {command: secret}"), "\"users[1].user.exec\": not supported" },
		{ CONTEXT SERVER USER("auth-provider: {name: oidc}"),
		  "\"users[1].user.auth-provider\": not supported" },
		{ CONTEXT SERVER USER("username: u, password: secret"),
		  "\"users[1].user.username\": not supported" },
		{ CONTEXT SERVER USER("password: secret"), "\"users[1].user.password\": not supported" },
		{ CONTEXT SERVER USER("as: admin"), "\"users[1].user.as\": not supported" },
		{ CONTEXT SERVER USER("as-uid: '7'"), "\"users[1].user.as-uid\": not supported" },
		{ CONTEXT SERVER USER("as-groups: [a]"), "\"users[1].user.as-groups\": not supported" },
		{ CONTEXT SERVER USER("as-user-extra: {a: [b]}"),
		  "\"users[1].user.as-user-extra\": not supported" },
		{ CONTEXT SERVER USER("token: [secret]"), "\"users[1].user.token\": not a string" },
		{ CONTEXT SERVER USER("client-certificate: c"),
		  "\"client-certificate\" without a \"client-key\"" },
		{ CONTEXT SERVER USER("client-key-data: c2VjcmV0"),
		  "\"client-key\" without a \"client-certificate\"" },
		{ CONTEXT CLUSTER("server: 'http://a'") USER("token: secret"),
		  "credentials do not go to an http://" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_kubeconfig conf = { 0 };
		struct nb_error err = { 0 };

		assert_true(read_text(rows[i].text, &conf, &err) < 0);
		if (!strstr(err.msg, rows[i].message) || !strstr(err.msg, dir) || strstr(err.msg, "secret"))
			fail_msg("%s instead of %s", err.msg, rows[i].message);
		assert_null(conf.server);
	}
}

static void test_in_cluster(void **state)
{
	static const struct {
		const char *host, *port, *server; /* or the error */
	} rows[] = {
		{ "10.96.0.1", "443", "https://10.96.0.1:443" },
		{ "fd00::1", "6443", "https://[fd00::1]:6443" },
		{ "kubernetes", "443", "https://kubernetes:443" },
		{ NULL, "443", "not in a pod" },
		{ "10.96.0.1", NULL, "not in a pod" },
		{ "10.96.0.1", "443/x?", "KUBERNETES_SERVICE_PORT" },
		{ "u@h", "443", "KUBERNETES_SERVICE_HOST" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_kubeconfig_free) struct nb_kubeconfig conf = { 0 };
		struct nb_error err = { 0 };
		int rc;

		unsetenv("KUBERNETES_SERVICE_HOST");
		unsetenv("KUBERNETES_SERVICE_PORT");
		if (rows[i].host)
			setenv("KUBERNETES_SERVICE_HOST", rows[i].host, 1);
		if (rows[i].port)
			setenv("KUBERNETES_SERVICE_PORT", rows[i].port, 1);
		rc = nb_kubeconfig_in_cluster("/account", &conf, &err);
		if (rc) {
			assert_non_null(strstr(err.msg, rows[i].server));
			continue;
		}
		assert_string_equal(conf.server, rows[i].server);
		assert_string_equal(conf.ca.path, "/account/ca.crt");
		assert_string_equal(conf.token.path, "/account/token");
	}
}

static int read_credentials(struct nb_credentials *credentials, struct nb_error *err)
{
	struct nb_kubeconfig conf = { 0 };
	int rc;

	assert_true(asprintf(&conf.token.path, "%s/token", dir) > 0);
	assert_true(asprintf(&conf.ca.path, "%s/ca.crt", dir) > 0);
	rc = nb_credentials_read(&conf, credentials, err);
	nb_kubeconfig_free(&conf);
	return rc;
}

static void test_credentials(void **state)
{
	static const struct {
		const char *token, *read; /* NULL: refused */
		size_t len;
	} rows[] = {
		{ "abc.DEF-_", "abc.DEF-_", 9 },
		{ "abc\n", "abc", 4 },
		{ "abc \r\n\n", "abc", 7 },
		{ "", NULL, 0 },
		{ "\n", NULL, 1 },
		{ "secret\nX: y", NULL, 11 },
		{ "se cret", NULL, 7 },
		{ "secret\xc3", NULL, 7 },
		{ "secret\0a", NULL, 8 },
	};

	(void)state;
	write_text("ca.crt", "# a CA\n-----BEGIN CERTIFICATE-----\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_cleanup(nb_credentials_free) struct nb_credentials credentials = { 0 };
		struct nb_error err = { 0 };
		int rc;

		write_file("token", rows[i].token, rows[i].len);
		rc = read_credentials(&credentials, &err);
		assert_int_equal(rc < 0, !rows[i].read);
		if (rc)
			assert_true(strstr(err.msg, "token: ") && strstr(err.msg, dir) &&
				    !strstr(err.msg, "secret"));
		else
			assert_string_equal(credentials.token.data, rows[i].read);
	}
	write_text("token", "abc");
	write_text("ca.crt", "secret");
	{
		struct nb_credentials credentials = { 0 };
		struct nb_error err = { 0 };

		assert_true(read_credentials(&credentials, &err) < 0);
		assert_non_null(strstr(err.msg, "certificate-authority: "));
		assert_non_null(strstr(err.msg, "ca.crt is not PEM"));
		assert_null(credentials.token.data);
	}
}

static void test_base64(void **state)
{
	static const struct {
		const char *text, *data; /* NULL: refused */
	} rows[] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9vYg==", "foob" },
		{ "Zm9v\r\nYmFy\n", "foobar" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "Z", NULL },
		{ "Zg", NULL },
		{ "Zg=", NULL },
		{ "=", NULL },
		{ "====", NULL },
		{ "Zg===", NULL },
		{ "Z===", NULL },
		{ "Zg==Zg==", NULL },
		{ "Zh==", NULL },
		{ "Zm9=", NULL },
		{ "Zm 9", NULL },
		{ "Zm9-", NULL },
		{ "Zm=v", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		nb_autofree char *data = NULL;
		struct nb_error err = { 0 };
		size_t len = 77;

		if (nb_base64_decode(rows[i].text, &data, &len, &err)) {
			assert_null(rows[i].data);
			assert_int_equal(len, 77);
			continue;
		}
		assert_non_null(rows[i].data);
		assert_int_equal(len, strlen(rows[i].data));
		assert_string_equal(data, rows[i].data);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "kubeconfig", "token", "ca.crt" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_in_cluster), cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
