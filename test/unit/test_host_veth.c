// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How natbridge recognises a host veth: names, MACs and aliases, and the hash that they are made
 * of.
 */
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/util/cni_id.h"
#include "lib/util/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LONG = 200 }; /* the longest name that the plugin takes */

static char long_a[LONG + 1], long_b[LONG + 1]; /* differ in their last letter only */

static int make_long(void **state)
{
	(void)state;
	memset(long_a, 'x', LONG);
	memset(long_b, 'x', LONG);
	long_b[LONG - 1] = 'y';
	return 0;
}

/* Digests of FIPS 180-4's examples and, for the lengths around a block, of sha512sum(1). */
static void test_sha512(void **state)
{
	char text[300], hex[2 * NB_SHA512_LEN + 1];
	static const struct {
		size_t n; /* of 'a' */
		const char *start;
	} rows[] = {
		{ 0, "cf83e1357eefb8bd" },   { 1, "1f40fc92da241694" },   { 111, "fa9121c7b32b9e01" },
		{ 112, "c01d080efd492776" }, { 127, "828613968b501dc0" }, { 128, "b73d1929aa615934" },
		{ 129, "4f681e0bd53cda4b" }, { 239, "52c853cb8d907f3d" }, { 240, "4c296d90c61052a6" },
		{ 256, "6a9169eb662f136d" },
	};

	(void)state;
	nb_sha512_hex("abc", sizeof(hex) - 1, hex);
	assert_string_equal(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
				 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(text, 'a', rows[i].n);
		text[rows[i].n] = '\0';
		nb_sha512_hex(text, 16, hex);
		assert_string_equal(hex, rows[i].start);
	}
}

/* A port as the kernel describes it right after its creation. */
static struct nb_link port_of(const struct nb_cni_id *id, unsigned int salt)
{
	struct nb_link link = { .index = 7, .kind = "veth", .has_mac = true };

	nb_host_veth_name(id, salt, link.name);
	nb_host_veth_mac(id->network, link.name, link.mac);
	return link;
}

static void test_names(void **state)
{
	const struct nb_cni_id ids[] = {
		{ "net", "c1", "eth0" },     { "net", "c1", "eth1" },    { "net", "c2", "eth0" },
		{ "net2", "c1", "eth0" },    { "net", "c1eth0", "" },    { "n", "et", "c1" },
		{ long_a, long_a, "eth0" },  { long_a, long_b, "eth0" }, { long_b, long_a, "eth0" },
		{ "net", long_a, "eth0" },   { "net", long_b, "eth0" },  { long_a, "c1", "fifteen-letters" },
		{ "net", "c1", "eth0.100" },
	};
	const size_t n = sizeof(ids) / sizeof(*ids);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (unsigned int salt = 0; salt < NB_HOST_VETH_SALTS; salt++) {
			struct nb_link link = port_of(&ids[i], salt);

			assert_int_equal(strlen(link.name), 12);
			assert_memory_equal(link.name, "veth", 4);
			assert_int_equal(link.mac[0] & 3, 2); /* locally administered, unicast */
			for (size_t k = 0; k < n; k++) {
				assert_int_equal(nb_host_veth_is_of(&link, &ids[k]), i == k);
				assert_int_equal(nb_host_veth_is_of_network(&link, ids[k].network),
						 !strcmp(ids[i].network, ids[k].network));
			}
		}
	}
}

static void test_aliases(void **state)
{
	const struct nb_cni_id ids[] = {
		{ "net", "c1", "eth0" },
		{ "net", "c1", "eth1" },
		{ "net2", "c1", "eth0" },
		{ long_a, long_a, "eth0" },
		{ long_a, long_b, "eth0" },
		{ long_b, long_a, "eth0" },
		{ "net", long_a, "fifteen-letters" },
	};
	const size_t n = sizeof(ids) / sizeof(*ids);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		/* with the alias, name and MAC may be anything */
		struct nb_link link = { .index = 7, .kind = "veth", .name = "veth0" };

		nb_host_veth_alias(&ids[i], link.alias);
		assert_true(strlen(link.alias) < NB_LINK_ALIAS_MAX);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(nb_host_veth_is_of(&link, &ids[k]), i == k);
			assert_int_equal(nb_host_veth_is_of_network(&link, ids[k].network),
					 !strcmp(ids[i].network, ids[k].network));
		}
	}
	{
		struct nb_link link = { .kind = "veth" };

		nb_host_veth_alias(&ids[0], link.alias);
		assert_string_equal(link.alias, "natbridge:net:c1:eth0");
	}
}

static void test_network_of_alias(void **state)
{
	static const char *const others[] = { "",
					      "mine",
					      "natbridge:",
					      "natbridge:net",
					      "natbridge:net:c1",
					      "natbridge::c1:eth0",
					      "Natbridge:net:c1:eth0" };
	const struct nb_cni_id longest = { long_a, long_b, "eth0" };
	char network[NB_LINK_ALIAS_MAX] = "as it was", alias[NB_LINK_ALIAS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(nb_host_veth_alias_network(others[i], network));
	assert_string_equal(network, "as it was");
	assert_true(nb_host_veth_alias_network("natbridge:net.1:c1:eth0", network));
	assert_string_equal(network, "net.1");
	nb_host_veth_alias(&longest, alias);
	assert_true(nb_host_veth_alias_network(alias, network));
	assert_int_equal(network[0], '#');
}

/* A link that matches in one respect only is foreign. */
static void test_foreign(void **state)
{
	const struct nb_cni_id id = { "net", "c1", "eth0" };
	struct nb_link link;

	(void)state;
	link = port_of(&id, 0);
	link.mac[5] ^= 1;
	assert_false(nb_host_veth_is_of(&link, &id));
	assert_false(nb_host_veth_is_of_network(&link, "net"));

	link = port_of(&id, 0);
	link.has_mac = false;
	assert_false(nb_host_veth_is_of(&link, &id));

	link = port_of(&id, 0);
	strcpy(link.alias, "mine");
	assert_false(nb_host_veth_is_of(&link, &id));
	assert_false(nb_host_veth_is_of_network(&link, "net"));

	link = port_of(&id, 0);
	nb_host_veth_alias(&id, link.alias);
	strcpy(link.kind, "dummy");
	assert_false(nb_host_veth_is_of(&link, &id));
	assert_false(nb_host_veth_is_of_network(&link, "net"));

	link = port_of(&id, 0);
	strcpy(link.alias, "natbridge:netz:c1:eth0");
	assert_false(nb_host_veth_is_of_network(&link, "net"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha512),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_aliases), cmocka_unit_test(test_network_of_alias),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, make_long, NULL);
}
