// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/addr.h>
#include <natbridge/cleanup.h>
#include <natbridge/delegate.h>
#include <natbridge/masq_iptables.h>
#include <natbridge/nft.h>
#include <natbridge/sha512.h>
#include <natbridge/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/usr/sbin:/usr/bin:/sbin:/bin"
#define HOOK         "POSTROUTING"
#define HOOK_RULES   "-A " HOOK " "

enum {
	CHAIN_SIZE = 28 + 1, /* XT_EXTENSION_MAXNAMELEN of the kernel, less one, and the NUL */
	COMMENT_SIZE = 512,
	LINE_SIZE = 1024,
	TIMEOUT_MS = 60000, /* another may hold the lock for long */
	NAMES_MAX = 1024,   /* network and container id, whose lengths nb_args_read() bounds */
};

/* What the rules of one attachment are known by; all interfaces of a container share them. */
struct names {
	char chain[CHAIN_SIZE];
	char comment[COMMENT_SIZE]; /* as iptables prints it, with quotes and escapes */
};

static const struct family {
	const char *command, *restore;
	const char *table;  /* where iptables-nft has its rules */
	const char *legacy; /* what the kernel has of the older iptables: names of tables, a line each */
	const char *multicast;
	bool v4;
} families[] = {
	{ "iptables", "iptables-restore", "ip nat", "/proc/self/net/ip_tables_names", "224.0.0.0/4", true },
	{ "ip6tables", "ip6tables-restore", "ip6 nat", "/proc/self/net/ip6_tables_names", "ff00::/8", false },
};

enum { FAMILIES = sizeof(families) / sizeof(*families) };

static void names_of(const char *network, const char *container_id, struct names *names)
{
	char both[NAMES_MAX];

	snprintf(both, sizeof(both), "%s%s", network, container_id);
	memcpy(names->chain, "CNI-", 4);
	nb_sha512_hex(both, CHAIN_SIZE - 5, names->chain + 4);
	snprintf(names->comment, sizeof(names->comment), "\"name: \\\"%s\\\" id: \\\"%s\\\"\"", network,
		 container_id);
}

/* ---- the programs ---- */

static int find(const char *name, char **path, struct nb_error *err)
{
	const char *dirs = getenv("PATH");

	if (nb_delegate_find(name, dirs && *dirs ? dirs : DEFAULT_PATH, path, NULL))
		return nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" is not in PATH", name);
	return 0;
}

static int run(const char *name, const char *const *args, const char *input, struct nb_delegate_output *out,
	       struct nb_error *err)
{
	nb_autofree char *path = NULL;
	struct nb_delegate program = {
		.args = args,
		.input = input,
		.input_len = strlen(input),
		.timeout_ms = TIMEOUT_MS,
		.take_errors = true,
	};
	int ret = find(name, &path, err);

	program.path = path;
	return ret ? ret : nb_delegate_run(&program, out, err);
}

/* The first line of what a program said. */
static int failed(const char *name, const struct nb_delegate_output *out, struct nb_error *err)
{
	const char *text = out->text ? out->text : "";

	return nb_fail(err, NB_ERR_SYSTEM, 0, "%s failed with status %d: %.*s", name, out->status,
		       (int)strcspn(text, "\n"), text);
}

/* The rules of a chain of table nat, a line each; *there: whether it exists. */
static int list(const struct family *family, const char *chain, struct nb_delegate_output *out, bool *there,
		struct nb_error *err)
{
	const char *const args[] = { "-w", "-t", "nat", "-S", chain, NULL };
	int ret = run(family->command, args, "", out, err);

	if (ret)
		return ret;
	*there = out->status == 0;
	/* 1: there is no such chain (iptables(8)); what else is wrong fails with it for POSTROUTING too. */
	return *there || out->status == 1 ? 0 : failed(family->command, out, err);
}

static int list_hook(const struct family *family, struct nb_delegate_output *out, struct nb_error *err)
{
	bool there = false;
	int ret = list(family, HOOK, out, &there, err);

	if (!ret && !there)
		ret = failed(family->command, out, err);
	return ret;
}

static int apply(const struct family *family, const struct nb_text *commands, struct nb_error *err)
{
	const char *const args[] = { "-w", "--noflush", NULL };
	nb_cleanup(nb_delegate_output_free) struct nb_delegate_output out = { 0 };
	nb_cleanup(nb_text_free) struct nb_text whole = { 0 };
	int ret;

	if (!commands->len)
		return 0;
	nb_text_append(&whole, "*nat\n");
	nb_text_put(&whole, commands->buf);
	nb_text_append(&whole, "COMMIT\n");
	if (commands->failed || whole.failed)
		return nb_fail_nomem(err);
	ret = run(family->restore, args, whole.buf, &out, err);
	if (!ret && out.status)
		ret = failed(family->restore, &out, err);
	return ret;
}

/* ---- rules ---- */

/* The rules for one address, as iptables prints them. */
struct rules {
	char local[LINE_SIZE], masquerade[LINE_SIZE], hook[LINE_SIZE];
};

static void rules_of(const struct family *family, const struct names *names, const struct nb_ifaddr *ip,
		     struct rules *rules)
{
	const struct nb_addr network = nb_addr_network(&ip->addr, ip->prefix_len);
	char addr[NB_ADDR_STRLEN], net[NB_ADDR_STRLEN];

	nb_addr_format(&ip->addr, addr);
	nb_addr_format(&network, net);
	snprintf(rules->local, LINE_SIZE, "-A %s -d %s/%u -m comment --comment %s -j ACCEPT", names->chain,
		 net, ip->prefix_len, names->comment);
	snprintf(rules->masquerade, LINE_SIZE, "-A %s ! -d %s -m comment --comment %s -j MASQUERADE",
		 names->chain, family->multicast, names->comment);
	snprintf(rules->hook, LINE_SIZE, HOOK_RULES "-s %s/%d -m comment --comment %s -j %s", addr,
		 family->v4 ? 32 : 128, names->comment, names->chain);
}

/* Whether a text has that line. */
static bool has_line(const char *text, const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at ? 1 : 0)
		if (!strncmp(at, line, len) && (at[len] == '\n' || !at[len]))
			return true;
	return false;
}

/* Calls fn for each rule of POSTROUTING that leads to one of the reference plugin's chains: with the rule,
 * from its "-A" on and as long as len says, and the chain's name. */
static void each_jump(const char *text,
		      void (*fn)(const char *rule, size_t len, const char *chain, void *arg), void *arg)
{
	static const char JUMP[] = " -j CNI-";

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at ? 1 : 0) {
		const size_t len = strcspn(at, "\n"), target = sizeof(JUMP) - 1 + CHAIN_SIZE - 5;
		char chain[CHAIN_SIZE];

		/* The target is the last thing in the line. */
		if (strncmp(at, HOOK_RULES, sizeof(HOOK_RULES) - 1) != 0 || len < target ||
		    strncmp(at + len - target, JUMP, sizeof(JUMP) - 1) != 0)
			continue;
		snprintf(chain, sizeof(chain), "%.*s", CHAIN_SIZE - 1, at + len - (CHAIN_SIZE - 1));
		fn(at, len, chain, arg);
	}
}

static void append_line(struct nb_text *commands, const char *line)
{
	nb_text_put(commands, line);
	nb_text_put(commands, "\n");
}

/* ---- ADD and CHECK ---- */

static bool is_of(const struct family *family, const struct nb_ifaddr *ip)
{
	return nb_addr_is_v4(&ip->addr) == family->v4;
}

static bool has_any(const struct family *family, const struct nb_ifaddr *addrs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_of(family, &addrs[i]))
			return true;
	return false;
}

/* Calls fn for each family that one of the addresses is of. */
static int each_family(int (*fn)(const struct family *family, const struct names *names,
				 const struct nb_ifaddr *addrs, size_t n, struct nb_error *err),
		       const struct nb_attachment *id, const struct nb_ifaddr *addrs, size_t n,
		       struct nb_error *err)
{
	struct names names;
	int ret = 0;

	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < FAMILIES && !ret; i++)
		if (has_any(&families[i], addrs, n))
			ret = fn(&families[i], &names, addrs, n, err);
	return ret;
}

static int add_family(const struct family *family, const struct names *names, const struct nb_ifaddr *addrs,
		      size_t n, struct nb_error *err)
{
	nb_cleanup(nb_delegate_output_free) struct nb_delegate_output hook = { 0 }, chain = { 0 };
	nb_cleanup(nb_text_free) struct nb_text commands = { 0 };
	bool there = false;
	int ret = list_hook(family, &hook, err);

	if (!ret)
		ret = list(family, names->chain, &chain, &there, err);
	if (ret)
		return ret;
	if (!there)
		nb_text_append(&commands, ":%s - [0:0]\n", names->chain);
	for (size_t i = 0; i < n; i++) {
		struct rules rules;

		if (!is_of(family, &addrs[i]))
			continue;
		rules_of(family, names, &addrs[i], &rules);
		if (!there || !has_line(chain.text, rules.local))
			append_line(&commands, rules.local);
		if (!there || !has_line(chain.text, rules.masquerade))
			append_line(&commands, rules.masquerade);
		if (!has_line(hook.text, rules.hook))
			append_line(&commands, rules.hook);
	}
	return apply(family, &commands, err);
}

int nb_masq_iptables_add(const struct nb_attachment *id, const struct nb_ifaddr *addrs, size_t n,
			 struct nb_error *err)
{
	int ret = each_family(add_family, id, addrs, n, err);

	return ret ? nb_wrap(err, "cannot add masquerade rules") : 0;
}

static int check_family(const struct family *family, const struct names *names, const struct nb_ifaddr *addrs,
			size_t n, struct nb_error *err)
{
	nb_cleanup(nb_delegate_output_free) struct nb_delegate_output hook = { 0 }, chain = { 0 };
	char addr[NB_ADDR_STRLEN];
	bool there = false;
	int ret = list_hook(family, &hook, err);

	if (!ret)
		ret = list(family, names->chain, &chain, &there, err);
	for (size_t i = 0; i < n && !ret; i++) {
		struct rules rules;

		if (!is_of(family, &addrs[i]))
			continue;
		rules_of(family, names, &addrs[i], &rules);
		if (!there || !has_line(chain.text, rules.local) || !has_line(chain.text, rules.masquerade) ||
		    !has_line(hook.text, rules.hook))
			ret = nb_fail(err, NB_ERR_CHECK, 0, "the masquerade rule of %s is missing",
				      nb_addr_format(&addrs[i].addr, addr));
	}
	return ret;
}

int nb_masq_iptables_check(const struct nb_attachment *id, const struct nb_ifaddr *addrs, size_t n,
			   struct nb_error *err)
{
	return each_family(check_family, id, addrs, n, err);
}

bool nb_masq_iptables_there(void)
{
	for (int i = 0; i < FAMILIES; i++) {
		nb_autofree char *command = NULL, *restore = NULL;

		if (find(families[i].command, &command, NULL) || find(families[i].restore, &restore, NULL))
			return false;
	}
	return true;
}

int nb_masq_iptables_probe(struct nb_error *err)
{
	nb_cleanup(nb_delegate_output_free) struct nb_delegate_output hook = { 0 };
	nb_autofree char *restore = NULL;
	int ret = list_hook(&families[0], &hook, err);

	return ret ? ret : find(families[0].restore, &restore, err);
}

/* ---- DEL and GC ---- */

struct removal {
	const char *network; /* of GC; else NULL, and only one chain is meant */
	char chain[CHAIN_SIZE];
	const struct nb_attachment *valid;
	size_t n_valid;
	struct nb_text rules, chains;
	unsigned int count;
};

static void removal_free(struct removal *removal)
{
	nb_text_free(&removal->rules);
	nb_text_free(&removal->chains);
}

/* Whether GC removes a rule: its comment names the network, and its chain is no valid attachment's. */
static bool is_garbage(const struct removal *removal, const char *rule, size_t len, const char *chain)
{
	char start[COMMENT_SIZE];
	struct names names;
	const char *found;

	snprintf(start, sizeof(start), " --comment \"name: \\\"%s\\\" id: ", removal->network);
	found = memmem(rule, len, start, strlen(start));
	for (size_t i = 0; i < removal->n_valid && found; i++) {
		names_of(removal->network, removal->valid[i].container_id, &names);
		if (!strcmp(names.chain, chain))
			return false;
	}
	return found != NULL;
}

static void append_removal(const char *rule, size_t len, const char *chain, void *arg)
{
	struct removal *removal = arg;
	char line[LINE_SIZE];

	if (removal->network ? !is_garbage(removal, rule, len, chain) : strcmp(removal->chain, chain) != 0)
		return;
	snprintf(line, sizeof(line), "-D%.*s", (int)len - 2, rule + 2);
	append_line(&removal->rules, line);
	nb_text_append(&removal->chains, ":%s - [0:0]\n-X %s\n", chain, chain);
	removal->count++;
}

/* Whether the kernel has a table "nat" of the older iptables, whose chains it does not tell. */
static bool has_legacy_table(const struct family *family)
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

/* Asked before any program is started: DEL and GC come by here whether the config has ipMasq or not. */
static int may_have(const struct family *family, const char *chain, bool *may, struct nb_error *err)
{
	int ret = nb_nft_has_chain(family->table, chain, may, err);

	*may = *may || has_legacy_table(family);
	return ret;
}

/* Rules go before the chains that they lead to; naming a chain empties it, or makes it should it be missing.
 */
static int remove_family(const struct family *family, struct removal *removal, struct nb_error *err)
{
	nb_cleanup(nb_delegate_output_free) struct nb_delegate_output hook = { 0 }, chain = { 0 };
	nb_cleanup(nb_text_free) struct nb_text commands = { 0 };
	bool there = false, may = false;
	int ret = may_have(family, removal->network ? HOOK : removal->chain, &may, err);

	if (!ret && may)
		ret = list_hook(family, &hook, err);
	if (ret || !may)
		return ret;
	nb_text_free(&removal->rules);
	nb_text_free(&removal->chains);
	each_jump(hook.text, append_removal, removal);
	/* One to which no rule leads (any more). */
	if (!removal->network && !removal->chains.len)
		ret = list(family, removal->chain, &chain, &there, err);
	if (there)
		nb_text_append(&removal->chains, ":%s - [0:0]\n-X %s\n", removal->chain, removal->chain);
	commands.failed = removal->rules.failed || removal->chains.failed;
	if (removal->rules.len)
		nb_text_put(&commands, removal->rules.buf);
	if (removal->chains.len)
		nb_text_put(&commands, removal->chains.buf);
	return ret ? ret : apply(family, &commands, err);
}

int nb_masq_iptables_has(const struct nb_attachment *id, bool *has, struct nb_error *err)
{
	struct names names;
	int ret = 0;

	*has = false;
	if (!nb_masq_iptables_there()) /* who could have made them? */
		return 0;
	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < FAMILIES && !ret && !*has; i++) {
		nb_cleanup(nb_delegate_output_free) struct nb_delegate_output chain = { 0 };
		bool may = false;

		ret = may_have(&families[i], names.chain, &may, err);
		if (!ret && may)
			ret = list(&families[i], names.chain, &chain, has, err);
	}
	return ret;
}

static int remove_rules(struct removal *removal, struct nb_error *err)
{
	int ret = 0;

	for (int i = 0; i < FAMILIES && !ret; i++)
		ret = remove_family(&families[i], removal, err);
	return ret ? nb_wrap(err, "cannot remove masquerade rules") : 0;
}

int nb_masq_iptables_delete(const struct nb_attachment *id, struct nb_error *err)
{
	nb_cleanup(removal_free) struct removal removal = { 0 };
	struct names names;

	names_of(id->network, id->container_id, &names);
	memcpy(removal.chain, names.chain, sizeof(removal.chain));
	return remove_rules(&removal, err);
}

int nb_masq_iptables_keep_only(const char *network, const struct nb_attachment *valid, size_t n,
			       unsigned int *removed, struct nb_error *err)
{
	nb_cleanup(
		removal_free) struct removal removal = { .network = network, .valid = valid, .n_valid = n };
	int ret = remove_rules(&removal, err);

	*removed = removal.count;
	return ret;
}
