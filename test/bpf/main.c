// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packet tests: the real programs run in the real kernel on one packet. A test checks the verdict,
 * the whole packet afterwards, and the maps.
 *
 *   bpf           all suites
 *   bpf mutated   test_mutated.c alone
 *   bpf handover  test_handover.c and test_migrate_conns.c alone
 *   bpf tell      test_tell.c alone
 *   bpf storm     test_storm.c alone
 *   bpf counts    what each kind of packet costs (counts.c)
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"

int main(int argc, char **argv)
{
	int failed = 0;

	if (geteuid()) {
		puts("1..0 # SKIP packet tests load eBPF programs and need root");
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "counts"))
		return counts();
	if (argc == 2 && !strcmp(argv[1], "mutated"))
		return suite_mutated() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "handover"))
		return suite_handover() + suite_migrate_conns() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "storm"))
		return suite_storm() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "tell"))
		return suite_tell() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "sctp"))
		return suite_sctp() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "account"))
		return suite_account() + suite_service_drops() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "flow"))
		return suite_flow() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "node"))
		return suite_node() + suite_enter_pod() ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "shared"))
		return suite_shared() ? 1 : 0;
	failed += suite_service();
	failed += suite_external();
	failed += suite_reply();
	failed += suite_clash();
	failed += suite_lifetime();
	failed += suite_tcp_state();
	failed += suite_sctp();
	failed += suite_untouched();
	failed += suite_conn_evict();
	failed += suite_via_host();
	failed += suite_account();
	failed += suite_service_drops();
	failed += suite_icmp_nat();
	failed += suite_fragment();
	failed += suite_reject();
	failed += suite_backend_removed();
	failed += suite_backend_unknown();
	failed += suite_spoofchk();
	failed += suite_mac_learn();
	failed += suite_conn_renew();
	failed += suite_floating();
	failed += suite_icmp_echo();
	failed += suite_flow();
	failed += suite_node();
	failed += suite_enter_pod();
	failed += suite_shared();
	failed += suite_handover();
	failed += suite_migrate_conns();
	failed += suite_tell();
	failed += suite_mutated();
	failed += suite_storm();
	return failed ? 1 : 0;
}
