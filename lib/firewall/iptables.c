// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs iptables and iptables-restore, and asks the kernel where that suffices. */
#include "iptables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/process.h"
#include "lib/util/strbuf.h"

#include "nft_chain.h"

#define DEFAULT_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

/* Another process may hold iptables' lock for long. */
enum { TIMEOUT_MS = 60000 };

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
	int rc = nb_iptables_find(name, &path, err);

	if (rc)
		return rc;
	program.path = path;
	return nb_process_run(&program, out, err);
}

/* Fails with the first line of the program's output. */
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
	int rc = run(family->command, args, "", out, err);

	if (rc)
		return rc;
	/*
	 * 1: no such chain (iptables(8)). Other failures with 1 also fail nb_iptables_list_hook().
	 */
	if (out->status != 0 && out->status != 1)
		return failed(family->command, out, err);
	*there = out->status == 0;
	return 0;
}

int nb_iptables_list_hook(const struct nb_iptables *family, struct nb_process_output *out,
			  struct nb_error *err)
{
	bool there = false;
	int rc = nb_iptables_list(family, NB_IPTABLES_HOOK, out, &there, err);

	if (rc)
		return rc;
	return there ? 0 : failed(family->command, out, err);
}

int nb_iptables_apply(const struct nb_iptables *family, const struct nb_strbuf *commands,
		      struct nb_error *err)
{
	const char *const args[] = { "-w", "--noflush", NULL };
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf whole = { 0 };
	int rc;

	if (!commands->len)
		return 0;
	nb_strbuf_append(&whole, "*nat\n");
	nb_strbuf_put(&whole, commands->buf);
	nb_strbuf_append(&whole, "COMMIT\n");
	if (commands->failed || whole.failed)
		return nb_fail_nomem(err);
	rc = run(family->restore, args, whole.buf, &out, err);
	if (rc)
		return rc;
	return out.status ? failed(family->restore, &out, err) : 0;
}

/* Whether the kernel has iptables-legacy's table nat. The kernel does not list the chains of it. */
static bool has_legacy_table(const struct nb_iptables *family)
{
	nb_autofclose FILE *names = fopen(family->legacy, "re");
	char name[64];

	while (names && fgets(name, sizeof(name), names))
		if (!strcmp(name, "nat\n"))
			return true;
	return false;
}

int nb_iptables_may_have(const struct nb_iptables *family, const char *chain, bool *may, struct nb_error *err)
{
	int rc = nb_nft_has_chain(family->table, chain, may, err);

	if (rc)
		return rc;
	*may = *may || has_legacy_table(family);
	return 0;
}
