/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_SUITES_H
#define NATBRIDGE_TEST_BPF_SUITES_H

/* One function for each file of tests. Each returns the number of tests that failed. */
int suite_service(void);
int suite_external(void);
int suite_reply(void);
int suite_clash(void);
int suite_lifetime(void);
int suite_tcp_state(void);
int suite_sctp(void);
int suite_untouched(void);
int suite_conn_evict(void);
int suite_via_host(void);
int suite_icmp_nat(void);
int suite_fragment(void);
int suite_reject(void);
int suite_backend_removed(void);
int suite_backend_unknown(void);
int suite_mutated(void);
int suite_spoofchk(void);
int suite_mac_learn(void);
int suite_conn_renew(void);
int suite_account(void);
int suite_service_drops(void);
int suite_floating(void);
int suite_icmp_echo(void);
int suite_storm(void);
int suite_flow(void);
int suite_node(void);
int suite_enter_pod(void);
int suite_shared(void);
int suite_handover(void);
int suite_migrate_conns(void);
int suite_tell(void);

/* Not a test: see counts.c. */
int counts(void);

/* A test with its own network namespace and datapath. */
#define ENV_TEST(fn)        cmocka_unit_test_setup_teardown(fn, env_setup, env_teardown)
#define ENV_TEST_SMALL(fn)  cmocka_unit_test_setup_teardown(fn, env_setup_small, env_teardown)
#define ENV_TEST_ASSIST(fn) cmocka_unit_test_setup_teardown(fn, env_setup_assist, env_teardown)
#define ENV_TEST_NODE(fn)   cmocka_unit_test_setup_teardown(fn, env_setup_node, env_teardown)

#endif
