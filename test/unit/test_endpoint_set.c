// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which endpoints get new connections: A9, A13, A15, A16. The rows distinguish what kube-proxy's
 * topology_test.go and endpointslicecache_test.go distinguish.
 */
#include "lib/kube/endpoint_set.h"
#include "lib/kube/slice.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <ctype.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Endpoints in slices: a word for each, a number that is the last part of its address, and letters:
 *   r ready and serving     s serving    t terminating    l on this node
 *   H hint for this node    O hint for another node       a, b, c: hint for that zone
 * "|" begins another slice. Results: the numbers of those chosen; "-": none, but another policy has some.
 * The node is in zone a, or where zone says.
 */
struct row {
	const char *endpoints, *cluster, *local, *zone;
};

static const struct row rows[] = {
	/* nothing */
	{ "", "", "", "a" },
	{ "1", "", "", "a" },
	{ "1 2 3", "", "", "a" },
	{ "1l 2l", "", "", "a" },
	/* ready or not, here or elsewhere */
	{ "1r", "1", "-", "a" },
	{ "1rl", "1", "1", "a" },
	{ "1r 2r", "1 2", "-", "a" },
	{ "1r 2rl", "1 2", "2", "a" },
	{ "1rl 2rl", "1 2", "1 2", "a" },
	{ "1r 2", "1", "-", "a" },
	{ "1 2rl", "2", "2", "a" },
	{ "1r 2l", "1", "-", "a" },
	{ "1rl 2l 3r 4", "1 3", "1", "a" },
	{ "1s", "", "", "a" },
	{ "1s 2sl", "", "", "a" },
	{ "1r 2s", "1", "-", "a" },
	{ "1rl 2sl", "1", "1", "a" },
	/* terminating ones, if none is ready */
	{ "1t", "", "", "a" },
	{ "1tl", "", "", "a" },
	{ "1st", "1", "-", "a" },
	{ "1stl", "1", "1", "a" },
	{ "1st 2st", "1 2", "-", "a" },
	{ "1st 2t", "1", "-", "a" },
	{ "1stl 2tl", "1", "1", "a" },
	{ "1st 2", "1", "-", "a" },
	{ "1st 2s", "1", "-", "a" },
	{ "1st 2r", "2", "-", "a" },
	{ "1stl 2r", "2", "1", "a" },
	{ "1stl 2rl", "2", "2", "a" },
	{ "1stl 2rl 3r", "2 3", "2", "a" },
	{ "1st 2rl", "2", "2", "a" },
	{ "1st 2stl", "1 2", "2", "a" },
	{ "1st 2stl 3tl", "1 2", "2", "a" },
	{ "1tl 2r", "2", "-", "a" },
	{ "1l 2st", "2", "-", "a" },
	{ "1sl 2stl", "2", "2", "a" },
	/* ready although they terminate: publishNotReadyAddresses */
	{ "1rt", "1", "-", "a" },
	{ "1rtl", "1", "1", "a" },
	{ "1rt 2r", "1 2", "-", "a" },
	{ "1rtl 2stl", "1", "1", "a" },
	/* hints for zones */
	{ "1ra", "1", "-", "a" },
	{ "1rb", "1", "-", "a" },
	{ "1ra 2rb", "1", "-", "a" },
	{ "1ra 2rb", "2", "-", "b" },
	{ "1ra 2rb", "1 2", "-", "c" },
	{ "1ra 2rb", "1 2", "-", NULL },
	{ "1ra 2rb", "1 2", "-", "" },
	{ "1ra 2ra 3rb", "1 2", "-", "a" },
	{ "1ra 2r", "1 2", "-", "a" },
	{ "1r 2rb", "1 2", "-", "b" },
	{ "1rab 2rb", "1", "-", "a" },
	{ "1rab 2rb", "1 2", "-", "b" },
	{ "1rabc 2rc 3rb", "1 2", "-", "c" },
	{ "1rb 2rc", "1 2", "-", "a" },
	/* only ready ones count for the question whether hints are used */
	{ "1ra 2rb 3", "1", "-", "a" },
	{ "1ra 2rb 3s", "1", "-", "a" },
	{ "1ra 2rb 3st", "1", "-", "a" },
	{ "1ra 2rb 3a", "1", "-", "a" },
	{ "1rb 2a", "1", "-", "a" },
	{ "1rb 2ast", "1", "-", "a" },
	{ "1a 2b", "", "", "a" },
	/* terminating ones are taken without regard to hints */
	{ "1sta 2stb", "1 2", "-", "a" },
	{ "1stb", "1", "-", "a" },
	{ "1stal 2stb", "1 2", "1", "a" },
	/* hints are not for policy Local */
	{ "1rla 2rb", "1", "1", "a" },
	{ "1rlb 2ra", "2", "1", "a" },
	{ "1rlb 2rla 3ra", "2 3", "1 2", "a" },
	{ "1rlb", "1", "1", "a" },
	{ "1ra 2rbl 3rbl", "1", "2 3", "a" },
	{ "1rb 2rbl", "1 2", "2", "a" },
	{ "1ra 2stlb", "1", "2", "a" },
	/* hints for nodes go before those for zones */
	{ "1rH", "1", "-", "a" },
	{ "1rO", "1", "-", "a" },
	{ "1rH 2rO", "1", "-", "a" },
	{ "1rH 2rH", "1 2", "-", "a" },
	{ "1rO 2rO", "1 2", "-", "a" },
	{ "1rH 2r", "1 2", "-", "a" },
	{ "1rHO 2rO", "1", "-", "a" },
	{ "1rHl 2rO", "1", "1", "a" },
	{ "1rHb 2rOa", "1", "-", "a" },
	{ "1rHa 2rOa 3rOb", "1", "-", "a" },
	{ "1rOa 2rOb", "1", "-", "a" },
	{ "1rOa 2rOb", "1 2", "-", "c" },
	{ "1rHa 2rb", "1", "-", "a" },
	{ "1rHb 2ra", "2", "-", "a" },
	{ "1rHb 2rb", "1 2", "-", "a" },
	{ "1rH 2ra", "1 2", "-", "a" },
	{ "1rH 2rO 3", "1", "-", "a" },
	{ "1rO 2H", "1", "-", "a" },
	{ "1rO 2Hst", "1", "-", "a" },
	{ "1stH 2stO", "1 2", "-", "a" },
	{ "1rHl 2rOl", "1", "1 2", "a" },
	{ "1rH 2rO", "1", "-", NULL },
	{ "1rHa 2rOb", "1", "-", NULL },
	/* several slices */
	{ "1r | 2r", "1 2", "-", "a" },
	{ "1r | 2rl", "1 2", "2", "a" },
	{ "| 1r |", "1", "-", "a" },
	{ "2r | 1r", "1 2", "-", "a" },
	{ "1ra | 2rb", "1", "-", "a" },
	{ "1ra | 2r", "1 2", "-", "a" },
	{ "1st | 2r", "2", "-", "a" },
	{ "1st | 2st", "1 2", "-", "a" },
	/* an address in two slices is one endpoint; what does not terminate wins, whatever comes first */
	{ "1r | 1r", "1", "-", "a" },
	{ "1r 1r", "1", "-", "a" },
	{ "1st | 1r", "1", "-", "a" },
	{ "1r | 1st", "1", "-", "a" },
	{ "1st | 1", "", "", "a" },
	{ "1 | 1st", "", "", "a" },
	{ "1st | 1s", "", "", "a" },
	{ "1stl | 1r", "1", "-", "a" },
	{ "1st | 1rl", "1", "1", "a" },
	{ "1rtl | 1r", "1", "-", "a" },
	{ "1rt | 1", "", "", "a" },
	{ "1r | 1", "1", "-", "a" },
	{ "1 | 1r", "1", "-", "a" },
	{ "1t | 1st", "1", "-", "a" },
	{ "1st | 1t", "1", "-", "a" },
	{ "1rt | 1st", "1", "-", "a" },
	{ "1st 2st | 1r", "1", "-", "a" },
	{ "1rb | 2ra | 1sta", "2", "-", "a" },
	{ "1ra | 2rb | 2st", "1", "-", "a" },
	/* many */
	{ "9r 8r 7r 6rl 5rl 4 3st 2stl 1t", "5 6 7 8 9", "5 6", "a" },
	{ "9 8 7s 6l 5l 4 3st 2stl 1t", "2 3", "2", "a" },
	{ "9ra 8ra 7rb 6rb 5rc 4rla 3sta", "4 8 9", "4", "a" },
	{ "9ra 8ra 7rb 6rb 5rc 4rla 3sta", "6 7", "4", "b" },
	{ "9raO 8raO 7rbO 6rbH 5rcO 4rlaH 3sta", "4 6", "4", "c" },
};

static void add_hint(struct nb_kube_endpoint *endpoint, char zone)
{
	const size_t len = endpoint->zones ? strlen(endpoint->zones) : 0;
	char *zones = realloc(endpoint->zones, len + 4);

	assert_non_null(zones);
	snprintf(zones + len, 4, len ? "%c," : ",%c,", zone);
	endpoint->zones = zones;
}

static void read_letter(struct nb_kube_endpoint *endpoint, char letter)
{
	endpoint->ready |= letter == 'r';
	endpoint->serving |= letter == 'r' || letter == 's';
	endpoint->terminating |= letter == 't';
	endpoint->local |= letter == 'l';
	endpoint->hints_node |= letter == 'H' || letter == 'O';
	endpoint->hints_here |= letter == 'H';
	if (letter >= 'a' && letter <= 'c')
		add_hint(endpoint, letter);
	assert_non_null(strchr("rstlHOabc", letter));
}

enum { SLICES = 3, PORT = 8080 };

static struct nb_addr address(int number)
{
	char text[32];
	struct nb_addr addr;

	snprintf(text, sizeof(text), "10.0.0.%d", number);
	assert_true(nb_addr_parse(text, &addr));
	return addr;
}

static void read_slices(const char *text, struct nb_kube_slice slices[SLICES])
{
	const struct nb_kube_port port = { .proto = IPPROTO_TCP, .port = htons(PORT) };
	struct nb_kube_slice *slice = slices;

	for (size_t i = 0; i < SLICES; i++) {
		slices[i] = (struct nb_kube_slice){ .family = AF_INET };
		assert_int_equal(nb_vec_push(&slices[i].ports, port, NULL), 0);
	}
	for (; *text; text++) {
		struct nb_kube_endpoint endpoint = { 0 };

		if (*text == ' ')
			continue;
		if (*text == '|') {
			assert_true(++slice < slices + SLICES);
			continue;
		}
		assert_true(isdigit((unsigned char)*text));
		endpoint.addr = address(*text - '0');
		for (; text[1] && text[1] != ' '; text++)
			read_letter(&endpoint, text[1]);
		assert_int_equal(nb_vec_push(&slice->endpoints, endpoint, NULL), 0);
	}
}

static void write_chosen(const struct nb_kube_endpoint_set *set, bool elsewhere, char text[64])
{
	char *at = text;

	*at = '\0';
	for (size_t i = 0; i < set->all.n; i++) {
		const struct nb_kube_candidate *candidate = &set->all.items[i];

		assert_int_equal(ntohs(candidate->port), PORT);
		if (nb_kube_is_chosen(candidate))
			at += sprintf(at, "%s%d", at > text ? " " : "",
				      (int)(ntohl(candidate->endpoint->addr.w[3]) & 0xff));
	}
	if (elsewhere)
		strcpy(at, "-");
}

static void check_policy(struct nb_kube_endpoint_set *set, enum nb_kube_policy policy,
			 const struct nb_kube_view *view, const char *expected)
{
	bool elsewhere = true;
	char text[64];

	nb_kube_endpoint_set_choose(set, policy, view, &elsewhere);
	write_chosen(set, elsewhere, text);
	assert_string_equal(text, expected);
}

static void check_row(const struct row *row)
{
	const struct nb_kube_port port = { .proto = IPPROTO_TCP, .port = htons(80) };
	struct nb_kube_view view = { .has_node = true, .zone = row->zone };
	const struct nb_kube_slice *at[SLICES];
	struct nb_kube_slice slices[SLICES];
	struct nb_kube_endpoint_set set = { 0 };

	read_slices(row->endpoints, slices);
	for (size_t i = 0; i < SLICES; i++)
		at[i] = &slices[i];
	assert_int_equal(nb_kube_endpoint_set_collect(&set, at, SLICES, AF_INET, &port, NULL), 0);
	check_policy(&set, NB_KUBE_POLICY_CLUSTER, &view, row->cluster);
	check_policy(&set, NB_KUBE_POLICY_LOCAL, &view, row->local);
	/* Once more, so that nothing is left of the other policy. */
	check_policy(&set, NB_KUBE_POLICY_CLUSTER, &view, row->cluster);
	/* Where no node is known, Local is Cluster. */
	view.has_node = false;
	check_policy(&set, NB_KUBE_POLICY_LOCAL, &view, row->cluster);
	nb_kube_endpoint_set_free(&set);
	for (size_t i = 0; i < SLICES; i++)
		nb_kube_slice_free(&slices[i]);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s\n", rows[i].endpoints);
		check_row(&rows[i]);
	}
}

/* Why each of them gets new connections or none, in the order of their numbers. */
static void test_choices(void **state)
{
	static const struct {
		const char *endpoints;
		enum nb_kube_choice cluster[4], local[4];
	} choices[] = {
		{ "1r 2rl 3 4t",
		  { NB_KUBE_READY, NB_KUBE_READY, NB_KUBE_NOT_READY, NB_KUBE_TERMINATING },
		  { NB_KUBE_ELSEWHERE, NB_KUBE_READY, NB_KUBE_NOT_READY, NB_KUBE_TERMINATING } },
		{ "1st 2stl 3tl 4s",
		  { NB_KUBE_LAST_RESORT, NB_KUBE_LAST_RESORT, NB_KUBE_TERMINATING, NB_KUBE_NOT_READY },
		  { NB_KUBE_ELSEWHERE, NB_KUBE_LAST_RESORT, NB_KUBE_TERMINATING, NB_KUBE_NOT_READY } },
		{ "1ra 2rb 3rbl 4st",
		  { NB_KUBE_READY, NB_KUBE_FOR_OTHER_ZONES, NB_KUBE_FOR_OTHER_ZONES, NB_KUBE_TERMINATING },
		  { NB_KUBE_ELSEWHERE, NB_KUBE_ELSEWHERE, NB_KUBE_READY, NB_KUBE_TERMINATING } },
		{ "1rO 2rOb 3rH 4H",
		  { NB_KUBE_FOR_OTHER_NODES, NB_KUBE_FOR_OTHER_NODES, NB_KUBE_READY, NB_KUBE_NOT_READY },
		  { NB_KUBE_ELSEWHERE, NB_KUBE_ELSEWHERE, NB_KUBE_ELSEWHERE, NB_KUBE_NOT_READY } },
	};
	const struct nb_kube_port port = { .proto = IPPROTO_TCP, .port = htons(80) };
	const struct nb_kube_view view = { .has_node = true, .zone = "a" };

	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		const enum nb_kube_choice *expected[] = { choices[i].cluster, choices[i].local };
		struct nb_kube_endpoint_set set = { 0 };
		struct nb_kube_slice slices[SLICES];
		const struct nb_kube_slice *at = slices;
		bool elsewhere;

		read_slices(choices[i].endpoints, slices);
		assert_int_equal(nb_kube_endpoint_set_collect(&set, &at, 1, AF_INET, &port, NULL), 0);
		assert_int_equal(set.all.n, 4);
		for (int policy = 0; policy < 2; policy++) {
			nb_kube_endpoint_set_choose(&set, policy, &view, &elsewhere);
			for (size_t k = 0; k < 4; k++)
				assert_int_equal(set.all.items[k].choice, expected[policy][k]);
		}
		nb_kube_endpoint_set_free(&set);
		for (size_t k = 0; k < SLICES; k++)
			nb_kube_slice_free(&slices[k]);
	}
}

/* Ports: by name and protocol, a target for each slice; one address at two ports is two endpoints. */
static void test_ports(void **state)
{
	static const struct {
		const char *name;
		__u8 proto;
		int family;
		unsigned int ports[4]; /* of the endpoints found */
	} lookups[] = {
		{ "web", IPPROTO_TCP, AF_INET, { 8080, 8081 } }, { "web", IPPROTO_UDP, AF_INET, { 8082 } },
		{ "", IPPROTO_TCP, AF_INET, { 8083 } },          { "other", IPPROTO_TCP, AF_INET, { 0 } },
		{ "web", IPPROTO_TCP, AF_INET6, { 0 } },         { "all", IPPROTO_TCP, AF_INET, { 0 } },
	};
	static const struct nb_kube_port ports[2][3] = {
		{ { .name = "web", .proto = IPPROTO_TCP },
		  { .name = "web", .proto = IPPROTO_UDP },
		  { .name = "all", .proto = IPPROTO_TCP } },
		{ { .name = "web", .proto = IPPROTO_TCP },
		  { .name = "", .proto = IPPROTO_TCP },
		  { .name = "all", .proto = IPPROTO_TCP } },
	};
	static const unsigned int numbers[2][3] = { { 8080, 8082, 0 }, { 8081, 8083, 0 } };
	struct nb_kube_slice slices[2] = { { .family = AF_INET }, { .family = AF_INET } };
	const struct nb_kube_slice *at[] = { &slices[0], &slices[1] };
	const struct nb_kube_endpoint endpoint = { .addr = address(1), .ready = true };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(nb_vec_push(&slices[i].endpoints, endpoint, NULL), 0);
		for (size_t k = 0; k < 3; k++) {
			struct nb_kube_port port = ports[i][k];

			port.port = htons(numbers[i][k]);
			assert_int_equal(nb_vec_push(&slices[i].ports, port, NULL), 0);
		}
	}
	for (size_t i = 0; i < sizeof(lookups) / sizeof(*lookups); i++) {
		struct nb_kube_port port = { .proto = lookups[i].proto };
		struct nb_kube_endpoint_set set = { 0 };
		size_t n = 0;

		snprintf(port.name, sizeof(port.name), "%s", lookups[i].name);
		assert_int_equal(nb_kube_endpoint_set_collect(&set, at, 2, lookups[i].family, &port, NULL),
				 0);
		for (; n < 4 && lookups[i].ports[n]; n++)
			assert_int_equal(ntohs(set.all.items[n].port), lookups[i].ports[n]);
		assert_int_equal(set.all.n, n);
		nb_kube_endpoint_set_free(&set);
	}
	nb_kube_slice_free(&slices[0]);
	nb_kube_slice_free(&slices[1]);
}

/* A zone's name is compared as a whole. */
static void test_zone_names(void **state)
{
	char zones[] = ",eu-1a,eu-1,";
	const struct nb_kube_endpoint endpoint = { .zones = zones };

	(void)state;
	assert_true(nb_kube_endpoint_hints_zone(&endpoint, "eu-1a"));
	assert_true(nb_kube_endpoint_hints_zone(&endpoint, "eu-1"));
	assert_false(nb_kube_endpoint_hints_zone(&endpoint, "eu"));
	assert_false(nb_kube_endpoint_hints_zone(&endpoint, "1"));
	assert_false(nb_kube_endpoint_hints_zone(&endpoint, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_zone_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
