// SPDX-License-Identifier: GPL-2.0-or-later
/* D13: numbers by Service: what is added from one look at the table to the next. */
#include "lib/metrics/frontend_names.h"
#include "lib/metrics/service_book.h"

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <natbridge/conn_life.h>

static struct nb_frontend_key frontend(unsigned int service)
{
	return (struct nb_frontend_key){ .addr.w = { 0, 0, htonl(0xffff), htonl(0x0a600000 + service) },
					 .port = htons(80),
					 .proto = 6 };
}

/* "default/sN" for the numbers from first to last. */
static struct nb_frontend_names services(unsigned int first, unsigned int last)
{
	struct nb_frontend_names names = { 0 };
	char name[32];

	for (int pass = 0; pass < 2; pass++) {
		for (unsigned int i = first; i <= last; i++) {
			const struct nb_frontend_key key = frontend(i);

			snprintf(name, sizeof(name), "default/s%u", i);
			assert_int_equal(pass ? nb_frontend_names_own(&names, name, &key, NULL)
					      : nb_frontend_names_add(&names, name, NULL),
					 0);
		}
		nb_frontend_names_sort(&names);
	}
	return names;
}

/* A place of the table, as the programs change it. */
struct place {
	unsigned int service, gen;
	bool ended;
	struct nb_account accounts[2];
};

static void carry(struct place *place, uint64_t packets, uint64_t bytes, uint64_t answers,
		  uint64_t answer_bytes)
{
	place->accounts[0].packets += packets;
	place->accounts[0].bytes += bytes;
	place->accounts[1].packets += answers;
	place->accounts[1].bytes += answer_bytes;
}

static void begin(struct place *place, unsigned int service)
{
	place->service = service;
	place->gen++;
	place->ended = false;
	for (int dir = 0; dir < 2; dir++) {
		place->accounts[dir].packets_before = place->accounts[dir].packets;
		place->accounts[dir].bytes_before = place->accounts[dir].bytes;
	}
}

static __u64 life_of(const struct place *place)
{
	return (__u64)place->gen << NB_GEN_SHIFT | (__u64)(place->ended ? NB_USE_FREE : NB_USE_TAKEN)
							   << NB_LIFE_USE_SHIFT;
}

/* One look at places[n], those without a connection yet left out. names: NULL: as before. */
static void look(struct nb_service_book *book, __u32 table_id, struct nb_frontend_names *names,
		 const struct place *places, __u32 n)
{
	const struct nb_service_look begin = { .table_id = table_id, .names = names };

	assert_int_equal(nb_service_book_begin(book, &begin, NULL), 0);
	for (__u32 i = 0; i < n; i++) {
		const struct nb_frontend_key to = frontend(places[i].service);
		struct nb_conn_copy copy = { .pair_id = 5000 * i };

		if (!places[i].gen ||
		    (places[i].ended && !nb_service_book_wants(book, copy.pair_id, life_of(&places[i]))))
			continue;
		copy.pair.dir[0].key =
			(struct nb_tuple){ .dst = to.addr, .dport = to.port, .proto = to.proto };
		copy.pair.dir[0].conn.flags = places[i].service ? NB_CONN_SERVICE : 0;
		copy.pair.dir[0].conn.life = life_of(&places[i]);
		memcpy(copy.accounts, places[i].accounts, sizeof(copy.accounts));
		assert_int_equal(nb_service_book_take(book, &copy, !places[i].ended, NULL), 0);
	}
	nb_service_book_end(book);
}

/* NULL: the Service has no numbers. Number 0 is for all others. */
static const struct nb_service_numbers *find(const struct nb_service_book *book, unsigned int service)
{
	const struct nb_service_numbers *numbers;
	char name[32] = "";
	size_t i = 0;

	if (service)
		snprintf(name, sizeof(name), "default/s%u", service);
	while ((numbers = nb_service_book_get(book, &i)))
		if (!strcmp(numbers->name, name))
			return numbers;
	return NULL;
}

static void expect(const struct nb_service_book *book, unsigned int service, uint64_t connections,
		   uint64_t begun, uint64_t packets, uint64_t bytes)
{
	const struct nb_service_numbers *numbers = find(book, service);

	assert_non_null(numbers);
	assert_int_equal(numbers->connections, connections);
	assert_int_equal(numbers->begun, begun);
	assert_int_equal(numbers->traffic.packets[0], packets);
	assert_int_equal(numbers->traffic.bytes[0], bytes);
}

static struct nb_service_book *new_book(unsigned int last)
{
	struct nb_frontend_names names = services(1, last);
	struct nb_service_book *book = nb_service_book_new(false, NULL);

	assert_non_null(book);
	look(book, 1, &names, NULL, 0);
	return book;
}

static void test_grows(void **state)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(2);
	struct place places[2] = { { 0 } };

	(void)state;
	begin(&places[0], 1);
	carry(&places[0], 1, 60, 0, 0);
	look(book, 1, NULL, places, 2);
	expect(book, 1, 1, 1, 1, 60);
	assert_null(find(book, 2));
	carry(&places[0], 3, 300, 2, 5000);
	begin(&places[1], 2);
	carry(&places[1], 1, 40, 0, 0);
	look(book, 1, NULL, places, 2);
	expect(book, 1, 1, 1, 4, 360);
	expect(book, 2, 1, 1, 1, 40);
	assert_int_equal(find(book, 1)->traffic.packets[1], 2);
	assert_int_equal(find(book, 1)->traffic.bytes[1], 5000);
	assert_int_equal(find(book, 1)->carried.bytes[0], 360);
	look(book, 1, NULL, places, 2);
	expect(book, 1, 1, 1, 4, 360);
}

/* What was there before the book began does not count, what comes does. */
static void test_restart(void **state)
{
	struct nb_frontend_names names = services(1, 1);
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = nb_service_book_new(false, NULL);
	struct place place = { 0 };

	(void)state;
	begin(&place, 1);
	carry(&place, 1000, 1000000, 0, 0);
	look(book, 1, &names, &place, 1);
	expect(book, 1, 1, 0, 0, 0);
	assert_int_equal(find(book, 1)->carried.bytes[0], 1000000);
	carry(&place, 1, 50, 0, 0);
	look(book, 1, NULL, &place, 1);
	expect(book, 1, 1, 0, 1, 50);
}

/* The end of a connection counts, also if another has taken its place. */
static void test_reuse(void **state)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(2);
	struct place place = { 0 };

	(void)state;
	begin(&place, 1);
	carry(&place, 1, 10, 0, 0);
	look(book, 1, NULL, &place, 1);
	carry(&place, 5, 100, 0, 0);
	begin(&place, 2);
	carry(&place, 2, 7, 0, 0);
	look(book, 1, NULL, &place, 1);
	expect(book, 1, 0, 1, 6, 110);
	expect(book, 2, 1, 1, 2, 7);
	place.ended = true;
	carry(&place, 1, 1, 0, 0);
	look(book, 1, NULL, &place, 1);
	expect(book, 2, 0, 1, 3, 8);
	/* Nothing more is looked at there, until there is another. */
	assert_false(nb_service_book_wants(book, 0, life_of(&place)));
	/* Three have been there since: two were not seen, and count for who was there before. */
	begin(&place, 1);
	carry(&place, 1, 100, 0, 0);
	begin(&place, 1);
	carry(&place, 1, 100, 0, 0);
	begin(&place, 1);
	carry(&place, 1, 1000, 0, 0);
	place.ended = true;
	assert_true(nb_service_book_wants(book, 0, life_of(&place)));
	look(book, 1, NULL, &place, 1);
	expect(book, 2, 0, 3, 5, 208);
	expect(book, 1, 0, 2, 7, 1110);
}

/* Generations have 22 bits, packets are remembered with 32. */
static void test_wrap(void **state)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(1);
	struct place place = { .gen = NB_GEN_MASK - 1 };

	(void)state;
	begin(&place, 1);
	carry(&place, 0xfffffff0U, 1ULL << 45, 0, 0);
	look(book, 1, NULL, &place, 1);
	carry(&place, 0x20, 1ULL << 45, 0, 0);
	look(book, 1, NULL, &place, 1);
	assert_int_equal(find(book, 1)->traffic.bytes[0], 1ULL << 46);
	begin(&place, 1); /* its generation is 0 then, as life has room for no more */
	place.gen = 0x400000;
	carry(&place, 4, 4, 0, 0);
	look(book, 1, NULL, &place, 1);
	expect(book, 1, 1, 2, find(book, 1)->traffic.packets[0], (1ULL << 46) + 4);
}

/* Another table: counters go on from where they were, and what it has already counts as at a first look. */
static void test_other_table(void **state)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(1);
	struct place place = { 0 };

	(void)state;
	begin(&place, 1);
	carry(&place, 10, 1000, 0, 0);
	look(book, 1, NULL, &place, 1);
	place.accounts[0] = (struct nb_account){ .packets = 2, .bytes = 20 };
	look(book, 2, NULL, &place, 1);
	expect(book, 1, 1, 1, 10, 1000);
	carry(&place, 1, 1, 0, 0);
	look(book, 2, NULL, &place, 1);
	expect(book, 1, 1, 1, 11, 1001);
}

/* Counts that were lost, or began anew, take nothing away. */
static void test_never_back(void **state)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(1);
	struct place place = { 0 };

	(void)state;
	begin(&place, 1);
	carry(&place, 10, 1000, 0, 0);
	look(book, 1, NULL, &place, 1);
	place.accounts[0] = (struct nb_account){ .packets = 2, .bytes = 20 };
	look(book, 1, NULL, &place, 1);
	expect(book, 1, 1, 1, 10, 1000);
}

/* The first Services keep their numbers; one that is deleted makes room. A direct connection is no Service's.
 */
static void test_series(void **state)
{
	enum { N = NB_SERVICE_SERIES + 5 };
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(N);
	struct place places[N + 1] = { { 0 } };
	struct nb_frontend_names less = services(2, N);

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		begin(&places[i], i + 1);
		carry(&places[i], 1, 10, 0, 0);
	}
	begin(&places[N], 0);
	carry(&places[N], 1, 1000000, 0, 0);
	look(book, 1, NULL, places, N + 1);
	expect(book, 1, 1, 1, 1, 10);
	expect(book, NB_SERVICE_SERIES, 1, 1, 1, 10);
	assert_null(find(book, NB_SERVICE_SERIES + 1));
	expect(book, 0, 5, 5, 5, 50);
	/* The first one goes. What its connection carries is the others'; the next Service gets its own. */
	look(book, 1, &less, places, N + 1);
	assert_null(find(book, 1));
	expect(book, NB_SERVICE_SERIES + 1, 1, 0, 0, 0);
	carry(&places[0], 1, 1, 0, 0);
	carry(&places[NB_SERVICE_SERIES], 2, 20, 0, 0);
	look(book, 1, NULL, places, N + 1);
	expect(book, NB_SERVICE_SERIES + 1, 1, 0, 2, 20);
	expect(book, 0, 5, 5, 6, 51);
}

static void drop(struct nb_service_book *book, unsigned int service, __be16 port, uint64_t count)
{
	struct nb_service_drop one = { .key = { frontend(service), NB_DROP_NO_BACKEND }, .count = count };

	one.key.frontend.port = port;
	one.key.frontend.proto = port ? 6 : 0;
	assert_int_equal(nb_service_book_drops(book, &one, 1, NULL), 0);
}

static uint64_t dropped(const struct nb_service_book *book, unsigned int service)
{
	return find(book, service)->drops[NB_DROP_NO_BACKEND - NB_DROP_BASE];
}

/* Drops that the datapath has counted already count; an element that was evicted counts from 1 again. */
static void test_drops(void **state)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *book = new_book(2);

	(void)state;
	drop(book, 1, htons(80), 7);
	assert_int_equal(dropped(book, 1), 7);
	drop(book, 1, htons(80), 9);
	assert_int_equal(dropped(book, 1), 9);
	drop(book, 1, htons(80), 2);
	assert_int_equal(dropped(book, 1), 11);
	/* Of an address without the port. */
	drop(book, 2, 0, 3);
	assert_int_equal(dropped(book, 2), 3);
	assert_int_equal(dropped(book, 1), 11);
	drop(book, 9, htons(80), 5);
	assert_int_equal(dropped(book, 0), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),       cmocka_unit_test(test_restart),
		cmocka_unit_test(test_reuse),       cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_other_table), cmocka_unit_test(test_never_back),
		cmocka_unit_test(test_series),      cmocka_unit_test(test_drops),
	};

	return cmocka_run_group_tests_name("service_book", tests, NULL, NULL);
}
