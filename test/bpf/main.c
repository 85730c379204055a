// SPDX-License-Identifier: GPL-2.0-or-later
/* Packet tests: one packet in, verdict, whole packet and maps out, through the real programs in the real
 * kernel. */
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
	failed += suite_service();
	failed += suite_reply();
	failed += suite_clash();
	failed += suite_lifetime();
	failed += suite_tcp();
	failed += suite_untouched();
	failed += suite_table();
	failed += suite_via_host();
	failed += suite_related();
	failed += suite_fragment();
	failed += suite_reject();
	failed += suite_removed();
	failed += suite_late();
	failed += suite_spoof();
	failed += suite_learn();
	failed += suite_renew();
	failed += suite_floating();
	failed += suite_echo();
	failed += suite_mutated();
	return failed ? 1 : 0;
}
