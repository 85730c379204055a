// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The node's own table without an agent, in the caller's network namespace.
 *
 *   nodetable set [--outside] [--devices PATTERN] RANGE[=SRC]...   nb_node_ensure(); prints "conflict RANGE"
 *   nodetable clear                                                nb_node_remove()
 *
 * NATBRIDGE_BPFFS is the bpffs. Prints errors to stderr and exits with 1.
 */
#include "lib/node/node.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdio.h>
#include <string.h>

enum { RANGES_MAX = 64 };

static void print_conflict(const struct nb_node_route *wanted, const struct nb_route *other, void *arg)
{
	char dst[NB_ADDR_STRLEN];

	(void)other;
	(void)arg;
	printf("conflict %s/%u\n", nb_addr_format(&wanted->dst, dst), wanted->prefix_len);
}

static int read_range(char *text, struct nb_node_route *range, struct nb_error *err)
{
	char *src = strchr(text, '=');

	if (src)
		*src++ = '\0';
	range->has_src = src;
	if (nb_cidr_parse(text, &range->dst, &range->prefix_len) && (!src || nb_addr_parse(src, &range->src)))
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0, "%s: not a range", text);
}

static int set(const struct nb_pin_root *root, char **args, int n, struct nb_error *err)
{
	struct nb_node_route ranges[RANGES_MAX] = { 0 };
	struct nb_node_config config = { .root = root, .ranges = ranges };
	const char *pattern;

	nb_addr_parse(NB_NODE_SELF6, &config.self[0]);
	nb_addr_parse(NB_NODE_SELF4, &config.self[1]);
	for (int i = 0; i < n; i++) {
		int rc = 0;

		if (!strcmp(args[i], "--outside")) {
			config.outside = true;
		} else if (!strcmp(args[i], "--devices") && i + 1 < n) {
			pattern = args[++i];
			config.patterns = &pattern;
			config.n_patterns = 1;
		} else if (config.n_ranges < RANGES_MAX) {
			rc = read_range(args[i], &ranges[config.n_ranges++], err);
		}
		if (rc)
			return rc;
	}
	return nb_node_ensure(&config, print_conflict, NULL, err);
}

int main(int argc, char **argv)
{
	struct nb_error err = { 0 };
	struct nb_pin_root root;
	int rc = nb_pin_root_resolve(NULL, &root, &err);

	if (argc < 2) {
		fputs("usage: nodetable set [--outside] [--devices PATTERN] [RANGE[=SRC]]... | clear\n",
		      stderr);
		return 2;
	}
	if (!rc)
		rc = strcmp(argv[1], "set") ? nb_node_remove(&root, &err)
					    : set(&root, argv + 2, argc - 2, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.msg);
	return rc ? 1 : 0;
}
