// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink answers about one link: valid, late, foreign and malformed ones. */
#include "netlink_answers.h"

#include "lib/net/link.h"
#include "lib/util/error.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int get_link(struct nb_link *link, struct nb_error *err)
{
	int rc = nb_link_get_index(&nl, 7, link, err);

	assert_true(!rc || err->msg[0]);
	return rc;
}

static void test_answer(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link = { 0 };

	(void)state;
	start();
	push_link(7, "cni0", 0);
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), 0);
	assert_string_equal(link.name, "cni0");
	assert_int_equal(link.index, 7);
	assert_int_equal(taken, 2);
}

/* Messages that are not the kernel's answer to this request are ignored. */
static void test_strangers(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link = { 0 };

	(void)state;
	start();
	push_link(7, "other", 0);
	queue[queued - 1].from = 4711;
	push_link(7, "old", 0)->nlmsg_seq--;
	push_link(7, "theirs", 0)->nlmsg_pid++;
	push()->errnum = EINTR;
	push_link(7, "cni0", 0);
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), 0);
	assert_string_equal(link.name, "cni0");
}

static void test_silence(void **state)
{
	struct nb_link link = { .index = 99 };
	struct nb_error err = { 0 };

	(void)state;
	start();
	assert_int_equal(get_link(&link, &err), -ETIMEDOUT);
	assert_int_equal(link.index, 99);
	/* an acknowledgement alone describes no link */
	start();
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), -ENODEV);
	assert_int_equal(link.index, 99);
}

static void test_refusals(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link;
	struct nlmsghdr *nlh;

	(void)state;
	start();
	push_error(-ENODEV, 0);
	assert_int_equal(get_link(&link, &err), -ENODEV);
	assert_string_equal(err.msg, "cannot look up link 7: No such device");

	start();
	nlh = push_error(-EINVAL, NLM_F_ACK_TLVS | NLM_F_CAPPED);
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "MTU too large");
	seal(&queue[0]);
	assert_int_equal(get_link(&link, &err), -EINVAL);
	assert_string_equal(err.msg, "cannot look up link 7: MTU too large: Invalid argument");

	start();
	push_error(-EPERM, 0);
	assert_int_equal(get_link(&link, &err), -EPERM);
	assert_int_equal(err.code, NB_ERR_PRIVILEGE);
}

/* An error text without a NUL, or beyond the end of the message, is ignored; the errno stays. */
static void test_bad_error_text(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link;
	struct nlmsghdr *nlh;

	(void)state;
	start();
	nlh = push_error(-EINVAL, NLM_F_ACK_TLVS | NLM_F_CAPPED);
	mnl_attr_put(nlh, NLMSGERR_ATTR_MSG, 4, "abcd");
	seal(&queue[0]);
	assert_int_equal(get_link(&link, &err), -EINVAL);
	assert_string_equal(err.msg, "cannot look up link 7: Invalid argument");

	start();
	nlh = push_error(-EINVAL, NLM_F_ACK_TLVS);
	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->msg.nlmsg_len = 0xfffffff0;
	assert_int_equal(get_link(&link, &err), -EINVAL);
	assert_string_equal(err.msg, "cannot look up link 7: Invalid argument");
}

/* Each of these is malformed, and *link stays as it was. */
static void assert_malformed(void)
{
	struct nb_error err = { 0 };
	struct nb_link link = { .index = 99 };

	assert_int_equal(get_link(&link, &err), -EBADMSG);
	assert_int_equal(link.index, 99);
}

static void test_malformed(void **state)
{
	static const int errors[] = { 1, -4096, -2147483647 - 1 };
	struct nlmsghdr *nlh;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		start();
		push_error(errors[i], 0);
		assert_malformed();
	}
	start(); /* an error message that is too short for an error number */
	nlh = push_error(-EINVAL, 0);
	nlh->nlmsg_len = MNL_NLMSG_HDRLEN + 2;
	assert_malformed();

	start();
	push_link(7, NULL, 0);
	push_error(0, 0);
	assert_malformed();

	start();
	push_link(0, "cni0", 0);
	push_error(0, 0);
	assert_malformed();

	start();
	push_link(7, "sixteen-letters-", 0);
	push_error(0, 0);
	assert_malformed();

	start(); /* no room for struct ifinfomsg */
	nlh = push_link(7, "cni0", 0);
	nlh->nlmsg_len = MNL_NLMSG_HDRLEN + 4;
	queue[0].len = nlh->nlmsg_len;
	push_error(0, 0);
	assert_malformed();
}

static void test_malformed_attributes(void **state)
{
	struct nlmsghdr *nlh;
	struct nlattr *attr;

	(void)state;
	start(); /* an attribute that reaches beyond its message */
	nlh = push_link(7, "cni0", 0);
	attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct ifinfomsg));
	attr->nla_len = 400;
	push_error(0, 0);
	assert_malformed();

	start(); /* an attribute shorter than its own header */
	nlh = push_link(7, "cni0", 0);
	attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct ifinfomsg));
	attr->nla_len = 2;
	push_error(0, 0);
	assert_malformed();

	start(); /* a nested attribute that reaches beyond its nest */
	nlh = push_link(7, "cni0", 0);
	attr = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(nlh, attr);
	((struct nlattr *)mnl_attr_get_payload(attr))->nla_len = 100;
	seal(&queue[0]);
	push_error(0, 0);
	assert_malformed();
}

/* Attributes of a wrong size count as absent. */
static void test_odd_sizes(void **state)
{
	struct nb_error err = { 0 };
	struct nb_link link;
	struct nlmsghdr *nlh;

	(void)state;
	start();
	nlh = push_link(7, "cni0", 0);
	mnl_attr_put(nlh, IFLA_ADDRESS, 5, "12345");
	mnl_attr_put_u16(nlh, IFLA_MTU, 1500);
	mnl_attr_put_u64(nlh, IFLA_MASTER, 3);
	mnl_attr_put(nlh, IFLA_IFALIAS, 3, "abc");
	seal(&queue[0]);
	push_error(0, 0);
	assert_int_equal(get_link(&link, &err), 0);
	assert_false(link.has_mac);
	assert_int_equal(link.mtu, 0);
	assert_int_equal(link.master, 0);
	assert_string_equal(link.alias, "");
}

/* A message header with a wrong length ends the datagram; nothing after it is read. */
static void test_bad_length(void **state)
{
	static const uint32_t lengths[] = { 0, 8, 15, 0xffffffff };
	struct nb_error err = { 0 };
	struct nb_link link = { .index = 99 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		start();
		push_link(7, "cni0", 0)->nlmsg_len = lengths[i];
		assert_int_equal(get_link(&link, &err), -ETIMEDOUT);
		assert_int_equal(link.index, 99);
	}
	start();
	push_link(7, "cni0", 0);
	queue[0].truncated = true;
	assert_int_equal(get_link(&link, &err), -EMSGSIZE);
}

static void test_ifname(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{ "eth0", true },     { "a", true },         { "fifteen-letters", true },
		{ "eth0.100", true }, { "", false },         { "sixteen-letters-", false },
		{ ".", false },       { "..", false },       { "a/b", false },
		{ "a:b", false },     { "a b", false },      { "a\n", false },
		{ "a\x7f", false },   { "\xc3\xa4", false }, { "all", false },
		{ "default", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("\"%s\"\n", rows[i].name);
		assert_int_equal(nb_ifname_valid(rows[i].name), rows[i].valid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bad_error_text),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_malformed_attributes),
		cmocka_unit_test(test_odd_sizes),
		cmocka_unit_test(test_bad_length),
		cmocka_unit_test(test_ifname),
	};

	return cmocka_run_group_tests(tests, open_socket, close_socket);
}
