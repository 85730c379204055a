// SPDX-License-Identifier: GPL-2.0-or-later
/* Comments of masquerade rules: which attachment they name, and which rules a choice selects. */
#include "lib/firewall/masq_remove.h"
#include "lib/firewall/masq_rules.h"
#include "lib/util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define KEY "0123456789abcdef-fedcba9876543210"

static void test_comments(void **state)
{
	static const struct {
		const char *comment, *id, *ifname; /* id NULL: it names none */
	} rows[] = {
		{ KEY ", net: red, if: eth0, id: c1", "c1", "eth0" },
		{ KEY ", net: red, if: net1, id: c_1.2-3", "c_1.2-3", "net1" },
		{ "", NULL, NULL },
		{ "of someone else", NULL, NULL },
		{ KEY ", net: red, if: eth0", NULL, NULL },
		{ KEY ", net: red, if: eth0, id: ", NULL, NULL },
		{ KEY ", net: red, if: , id: c1", NULL, NULL },
	};
	char id[NB_MASQ_COMMENT_SIZE], ifname[NB_MASQ_COMMENT_SIZE], cut[NB_MASQ_COMMENT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(nb_masq_comment_parse(rows[i].comment, id, ifname), rows[i].id != NULL);
		if (!rows[i].id)
			continue;
		assert_string_equal(id, rows[i].id);
		assert_string_equal(ifname, rows[i].ifname);
	}
	/* As long as a comment can be: it may have been longer. */
	memset(cut, 'x', sizeof(cut));
	memcpy(cut, rows[0].comment, strlen(rows[0].comment));
	cut[sizeof(cut) - 1] = '\0';
	assert_false(nb_masq_comment_parse(cut, id, ifname));
	cut[sizeof(cut) - 2] = '\0';
	assert_true(nb_masq_comment_parse(cut, id, ifname));
}

static bool takes_second(const char *comment, void *arg)
{
	(void)arg;
	return strstr(comment, "id: c2") != NULL;
}

static void test_choice(void **state)
{
	static const char text[] =
		"{\"nftables\": ["
		"{\"rule\": {\"chain\": \"masq_checks\", \"handle\": 5, \"comment\": \"aa, id: c1\"}},"
		"{\"rule\": {\"chain\": \"masq_checks\", \"handle\": 6, \"comment\": \"aa, id: c2\"}},"
		"{\"rule\": {\"chain\": \"masq_checks\", \"handle\": 7, \"comment\": \"bb, id: c2\"}},"
		"{\"rule\": {\"chain\": \"masq_checks\", \"comment\": \"aa, id: c2\"}},"
		"{\"rule\": {\"chain\": \"masq_checks\", \"handle\": 8}},"
		"{\"rule\": {\"chain\": \"postrouting\", \"handle\": 9, \"comment\": \"aa, id: c2\"}}]}";
	const struct nb_masq_choice all = { .key = "aa" }, some = { .key = "aa", .takes = takes_second };
	struct nb_strbuf commands = { 0 };
	cJSON *table = cJSON_Parse(text);

	(void)state;
	assert_non_null(table);
	assert_int_equal(nb_masq_append_removals(table, &all, &commands), 2);
	assert_int_equal(nb_masq_append_removals(table, &some, &commands), 1);
	assert_string_equal(commands.buf, "delete rule inet cni_plugins_masquerade masq_checks handle 5\n"
					  "delete rule inet cni_plugins_masquerade masq_checks handle 6\n"
					  "delete rule inet cni_plugins_masquerade masq_checks handle 6\n");
	nb_strbuf_free(&commands);
	cJSON_Delete(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
