// SPDX-License-Identifier: GPL-2.0-or-later
#include "iptables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/process.h"
#include "lib/util/strbuf.h"

#include "nft.h"

#define DEFAULT_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

enum { TIMEOUT_MS = 60000 }; /* another may hold the lock for long */

const struct nb_iptables nb_iptables[NB_IPTABLES] = {
	{ "iptables", "iptables-restore", "ip nat", "/proc/self/net/ip_tables_names", "224.0.0.0/4", true },
	{ "ip6tables", "ip6tables-restore", "ip6 nat", "/proc/self/net/ip6_tables_names", "ff00::/8", false },
};

int nb_iptables_find(const char *name, char **path, struct nb_error *err)
{
	const char *dirs = getenv("PATH");

	if (nb_process_find(name, dirs && *dirs ? dirs : DEFAULT_PATH, path, NULL))
		return nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" is not in PATH", name);
	return 0;
}

static int run(const char *name, const char *const *args, const char *input, struct nb_process_output *out,
	       struct nb_error *err)
{
	nb_autofree char *path = NULL;
	struct nb_process program = {
		.args = args,
		.input = input,
		.input_len = strlen(input),
		.timeout_ms = TIMEOUT_MS,
		.take_errors = true,
	};
	int ret = nb_iptables_find(name, &path, err);

	program.path = path;
	return ret ? ret : nb_process_run(&program, out, err);
}

/* The first line of what a program said. */
static int failed(const char *name, const struct nb_process_output *out, struct nb_error *err)
{
	const char *text = out->text ? out->text : "";

	return nb_fail(err, NB_ERR_SYSTEM, 0, "%s failed with status %d: %.*s", name, out->status,
		       (int)strcspn(text, "\n"), text);
}

int nb_iptables_list(const struct nb_iptables *family, const char *chain, struct nb_process_output *out,
		     bool *there, struct nb_error *err)
{
	const char *const args[] = { "-w", "-t", "nat", "-S", chain, NULL };
	int ret = run(family->command, args, "", out, err);

	if (ret)
		return ret;
	*there = out->status == 0;
	/* 1: there is no such chain (iptables(8)); what else is wrong fails with it for POSTROUTING too. */
	return *there || out->status == 1 ? 0 : failed(family->command, out, err);
}

int nb_iptables_list_hook(const struct nb_iptables *family, struct nb_process_output *out,
			  struct nb_error *err)
{
	bool there = false;
	int ret = nb_iptables_list(family, NB_IPTABLES_HOOK, out, &there, err);

	if (!ret && !there)
		ret = failed(family->command, out, err);
	return ret;
}

int nb_iptables_apply(const struct nb_iptables *family, const struct nb_strbuf *commands,
		      struct nb_error *err)
{
	const char *const args[] = { "-w", "--noflush", NULL };
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf whole = { 0 };
	int ret;

	if (!commands->len)
		return 0;
	nb_strbuf_append(&whole, "*nat\n");
	nb_strbuf_put(&whole, commands->buf);
	nb_strbuf_append(&whole, "COMMIT\n");
	if (commands->failed || whole.failed)
		return nb_fail_nomem(err);
	ret = run(family->restore, args, whole.buf, &out, err);
	if (!ret && out.status)
		ret = failed(family->restore, &out, err);
	return ret;
}

/* Whether the kernel has a table "nat" of the older iptables, whose chains it does not tell. */
static bool has_legacy_table(const struct nb_iptables *family)
{
	FILE *names = fopen(family->legacy, "re");
	char name[64];
	bool found = false;

	while (names && !found && fgets(name, sizeof(name), names))
		found = !strcmp(name, "nat\n");
	if (names)
		fclose(names);
	return found;
}

int nb_iptables_may_have(const struct nb_iptables *family, const char *chain, bool *may, struct nb_error *err)
{
	int ret = nb_nft_has_chain(family->table, chain, may, err);

	*may = *may || has_legacy_table(family);
	return ret;
}
