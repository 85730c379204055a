/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_BPF_SUITES_H
#define NATBRIDGE_TEST_BPF_SUITES_H

/* One function a file of tests; each returns the number of tests that failed. */
int suite_service(void);
int suite_reply(void);
int suite_clash(void);
int suite_lifetime(void);
int suite_tcp(void);
int suite_untouched(void);
int suite_table(void);
int suite_via_host(void);
int suite_related(void);
int suite_fragment(void);
int suite_reject(void);
int suite_removed(void);
int suite_late(void);
int suite_mutated(void);
int suite_spoof(void);
int suite_learn(void);
int suite_renew(void);
int suite_floating(void);
int suite_echo(void);

/* No test: see counts.c. */
int counts(void);

/* A test with a datapath of its own. */
#define ENV_TEST(fn)       cmocka_unit_test_setup_teardown(fn, env_setup, env_teardown)
#define ENV_TEST_SMALL(fn) cmocka_unit_test_setup_teardown(fn, env_setup_small, env_teardown)

#endif
