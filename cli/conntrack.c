// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl conntrack: the tracked connections, the counters and the settings of the datapath. */
#include <netinet/in.h>
#include <string.h>

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>

#include "lib/maps/conn_account.h"
#include "lib/maps/conntrack.h"
#include "lib/maps/counters.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "conn_filter.h"
#include "each_network.h"
#include "out.h"
#include "texts.h"

/* counted: whether the datapath counts; account: of the tuple's direction. */
static struct cJSON *tuple_json(const struct nb_tuple *tuple, bool counted, const struct nb_account *account)
{
	struct cJSON *object = cJSON_CreateObject();
	char addr[NB_ADDR_STRLEN];

	cJSON_AddStringToObject(object, "src", nb_addr_format(&tuple->src, addr));
	cJSON_AddStringToObject(object, "dst", nb_addr_format(&tuple->dst, addr));
	cJSON_AddNumberToObject(object, "sport", ntohs(tuple->sport));
	cJSON_AddNumberToObject(object, "dport", ntohs(tuple->dport));
	if (counted) {
		cJSON_AddNumberToObject(object, "packets", (double)nb_account_packets(account));
		cJSON_AddNumberToObject(object, "bytes", (double)nb_account_bytes(account));
	}
	return object;
}

static void print_tuple(const struct cJSON *tuple, FILE *to)
{
	static const char *const counts[] = { "packets", "bytes" };

	fprintf(to, " src=%s dst=%s sport=%u dport=%u", nb_row_text(tuple, "src"), nb_row_text(tuple, "dst"),
		nb_row_number(tuple, "sport"), nb_row_number(tuple, "dport"));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const struct cJSON *count = cJSON_GetObjectItemCaseSensitive(tuple, counts[i]);

		if (count)
			fprintf(to, " %s=%.0f", counts[i], count->valuedouble);
	}
}

/* In the format of conntrack -L (libnetfilter_conntrack, src/conntrack/snprintf_default.c). */
static void print_connection(const struct cJSON *row, FILE *to)
{
	const char *state = nb_row_text(row, "state");

	fprintf(to, "%-8s %u %u", nb_row_text(row, "protocol"), nb_row_number(row, "protonum"),
		nb_row_number(row, "timeout"));
	if (*state)
		fprintf(to, " %s", state);
	print_tuple(cJSON_GetObjectItemCaseSensitive(row, "original"), to);
	if (!nb_row_is(row, "replied"))
		fprintf(to, " [UNREPLIED]");
	print_tuple(cJSON_GetObjectItemCaseSensitive(row, "reply"), to);
	if (nb_row_is(row, "assured"))
		fprintf(to, " [ASSURED]");
}

static void print_without_network(const struct cJSON *row, FILE *to)
{
	print_connection(row, to);
	fprintf(to, "\n");
}

static void print_with_network(const struct cJSON *row, FILE *to)
{
	print_connection(row, to);
	fprintf(to, " network=%s\n", nb_row_text(row, "network"));
}

struct listing {
	const struct nb_cli *cli;
	const struct nb_conn_filter *filter;
	const char *network;
	bool counted;    /* the datapath counts packets and bytes */
	bool in_columns; /* not as conntrack -L */
	struct nb_error *err;
};

/* Without an answer; established, or used for a while. */
static const char unreplied[] = "UNREPLIED", assured[] = "ASSURED";

/* For people: "as the client sends" and whence the answers come. */
static struct cJSON *short_row(const struct listing *listing, const struct nb_conn_info *info)
{
	const char *state = nb_conn_state_name(info->orig.proto, nb_life_state(info->conn.life));
	const unsigned int flags = nb_life_flags(info->conn.life);
	struct cJSON *row = cJSON_CreateObject();
	char text[NB_END_STRLEN], duration[NB_DURATION_STRLEN];

	cJSON_AddStringToObject(row, "network", listing->network);
	cJSON_AddStringToObject(row, "protocol", nb_conn_proto_name(info->orig.proto));
	cJSON_AddStringToObject(row, "state", state ? state : "-");
	cJSON_AddStringToObject(row, "expires", nb_duration_format(info->remaining, duration));
	cJSON_AddStringToObject(row, "client", nb_end_format(&info->orig.src, info->orig.sport, text));
	cJSON_AddStringToObject(row, "to", nb_end_format(&info->orig.dst, info->orig.dport, text));
	cJSON_AddStringToObject(row, "backend", nb_end_format(&info->reply.src, info->reply.sport, text));
	cJSON_AddStringToObject(row, "flags",
				!(flags & NB_LIFE_SEEN_REPLY) ? unreplied
				: flags & NB_LIFE_ASSURED     ? assured
							      : "-");
	return row;
}

static int list_connection(const struct nb_conn_info *info, void *arg)
{
	const struct listing *listing = arg;
	const char *state = nb_conn_state_name(info->orig.proto, nb_life_state(info->conn.life));
	struct cJSON *row;

	if (!nb_conn_filter_matches(listing->filter, info))
		return 0;
	if (listing->in_columns)
		return nb_out_row(listing->cli->out, short_row(listing, info), NULL, listing->err);
	row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", listing->network);
	cJSON_AddStringToObject(row, "protocol", nb_conn_proto_name(info->orig.proto));
	cJSON_AddNumberToObject(row, "protonum", info->orig.proto);
	cJSON_AddNumberToObject(row, "timeout", info->remaining);
	if (state)
		cJSON_AddStringToObject(row, "state", state);
	cJSON_AddItemToObject(row, "original", tuple_json(&info->orig, listing->counted, &info->accounts[0]));
	cJSON_AddItemToObject(row, "reply", tuple_json(&info->reply, listing->counted, &info->accounts[1]));
	cJSON_AddBoolToObject(row, "replied", nb_life_flags(info->conn.life) & NB_LIFE_SEEN_REPLY);
	cJSON_AddBoolToObject(row, "assured", nb_life_flags(info->conn.life) & NB_LIFE_ASSURED);
	cJSON_AddBoolToObject(row, "service", info->conn.flags & NB_CONN_SERVICE);
	return nb_out_row(listing->cli->out, row,
			  listing->cli->network ? print_without_network : print_with_network, listing->err);
}

/* Scripts read the format of conntrack -L. */
static bool is_in_columns(const struct nb_cli *cli)
{
	return !nb_out_is_json(cli->out) && nb_is_for_people();
}

static int list_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	struct listing listing = { cli, arg, network, dp->map_fd[NB_MAP_ACCOUNTS] >= 0, is_in_columns(cli),
				   err };
	int rc = nb_conn_filter_enter(arg, dp, err);

	return rc ? rc : nb_conntrack_each(dp, list_connection, &listing, err);
}

int nb_cmd_conntrack_list(const struct nb_cli *cli, struct nb_error *err)
{
	static const struct nb_column columns[] = {
		{ "NETWORK", "network" }, { "PROTOCOL", "protocol" }, { "STATE", "state" },
		{ "EXPIRES", "expires" }, { "CLIENT", "client" },     { "TO", "to" },
		{ "BACKEND", "backend" }, { "FLAGS", "flags" },       { 0 },
	};
	static const struct nb_coloured colours[] = { { unreplied, NB_COLOUR_YELLOW }, { 0 } };
	nb_cleanup(nb_conn_filter_free) struct nb_conn_filter filter;
	struct nb_visited visited = { 0 };
	int rc;

	if (is_in_columns(cli)) {
		nb_out_columns(cli->out, columns);
		nb_out_wrap(cli->out, "network");
		nb_out_colour(cli->out, "flags", colours);
	}
	nb_conn_filter_init(&filter, cli);
	rc = nb_each_network(cli, NB_READ | NB_TRANSLATING, list_network, &filter, &visited, err);
	nb_note_assisted(&visited);
	return rc || !visited.n ? rc : nb_conn_filter_end(&filter, err);
}

static void print_flushed(const struct cJSON *row, FILE *to)
{
	fprintf(to, "%s: %u connections removed\n", nb_row_text(row, "network"),
		nb_row_number(row, "removed"));
}

static int flush_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			 void *arg, struct nb_error *err)
{
	unsigned int removed;

	(void)arg;
	int rc = nb_conntrack_flush(dp, &removed, err);
	if (rc)
		return rc;
	struct cJSON *row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddNumberToObject(row, "removed", removed);
	return nb_out_row(cli->out, row, print_flushed, err);
}

int nb_cmd_conntrack_flush(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_visited visited = { 0 };

	nb_out_keep_rows(cli->out);
	int rc = nb_each_network(cli, NB_CHANGE | NB_TRANSLATING, flush_network, NULL, &visited, err);
	if (rc)
		return rc;
	/* Without any network there is nothing to flush, which is no error. */
	return visited.assisted ? nb_require_network(cli, &visited, err) : 0;
}

static void print_numbers(const struct cJSON *object, const char *indent, FILE *to)
{
	const struct cJSON *value;

	cJSON_ArrayForEach(value, object) {
		if (cJSON_IsNumber(value))
			fprintf(to, "%s%-20s %.0f\n", indent, value->string, value->valuedouble);
	}
}

/* All but the first are seconds. */
static void print_settings(const struct cJSON *object, FILE *to)
{
	const struct cJSON *value;
	char text[NB_DURATION_STRLEN];

	if (!nb_is_for_people()) {
		print_numbers(object, "    ", to);
		return;
	}
	cJSON_ArrayForEach(value, object) {
		if (strcmp(value->string, nb_setting_name(NB_SETTING_MAX)) != 0)
			fprintf(to, "    %-20s %s\n", value->string,
				nb_duration_format((unsigned int)value->valuedouble, text));
		else
			fprintf(to, "    %-20s %.0f\n", value->string, value->valuedouble);
	}
}

static void print_stats(const struct cJSON *row, FILE *to)
{
	fprintf(to, "%s\n", nb_row_text(row, "network"));
	print_numbers(row, "  ", to);
	fprintf(to, "  settings\n");
	print_settings(cJSON_GetObjectItemCaseSensitive(row, "settings"), to);
}

static struct cJSON *settings_json(const struct nb_settings *settings)
{
	struct cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, nb_setting_name(NB_SETTING_MAX),
				nb_setting_get(settings, NB_SETTING_MAX));
	for (unsigned int i = NB_SETTING_FIRST; i < NB_SETTING_MAX; i++)
		cJSON_AddNumberToObject(object, nb_setting_name(i), nb_setting_get(settings, i));
	return object;
}

static int stats_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			 void *arg, struct nb_error *err)
{
	__u64 counters[NB_COUNTERS];
	struct nb_settings settings;
	__u32 entries;

	(void)arg;
	int rc = nb_counters_read(dp, counters, err);
	if (rc)
		return rc;
	rc = nb_settings_read(dp, &settings, err);
	if (rc)
		return rc;
	if (dp->map_fd[NB_MAP_CONNECTIONS] >= 0)
		rc = nb_conntrack_count(dp, &entries, err);
	else
		rc = nb_map_count(dp, NB_MAP_FLOWS, &entries, err);
	if (rc)
		return rc;
	struct cJSON *row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddNumberToObject(row, "entries", entries);
	for (unsigned int i = 0; i < NB_COUNTERS; i++)
		if (nb_counter_name(i))
			cJSON_AddNumberToObject(row, nb_counter_name(i), counters[i]);
	cJSON_AddItemToObject(row, "settings", settings_json(&settings));
	return nb_out_row(cli->out, row, print_stats, err);
}

int nb_cmd_conntrack_stats(const struct nb_cli *cli, struct nb_error *err)
{
	return nb_each_network(cli, NB_READ, stats_network, NULL, NULL, err);
}

/* The new values of the command line, by the settings' numbers. */
struct wanted {
	unsigned int value[NB_SETTINGS]; /* 0: not given */
};

static int parse_wanted(const struct nb_cli *cli, struct wanted *wanted, struct nb_error *err)
{
	for (char *const *argument = cli->arguments; *argument; argument++) {
		unsigned int setting, value;

		int rc = nb_setting_parse(*argument, &setting, &value, err);
		if (rc)
			return rc;
		if (wanted->value[setting] && wanted->value[setting] != value)
			return nb_fail(err, NB_ERR_CONFIG, 0, "%s is given twice: %u and %u",
				       nb_setting_name(setting), wanted->value[setting], value);
		wanted->value[setting] = value;
	}
	return 0;
}

static int check_wanted(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	const struct wanted *wanted = arg;

	(void)cli, (void)network;
	return nb_settings_check_max(dp, wanted->value[NB_SETTING_MAX], err);
}

static void print_set(const struct cJSON *row, FILE *to)
{
	fprintf(to, "%s: %s %u -> %u\n", nb_row_text(row, "network"), nb_row_text(row, "setting"),
		nb_row_number(row, "old"), nb_row_number(row, "new"));
}

static int report_set(const struct nb_cli *cli, const char *network, const struct nb_settings *old,
		      const struct wanted *wanted, struct nb_error *err)
{
	for (unsigned int i = NB_SETTING_FIRST; i < NB_SETTINGS; i++) {
		if (!wanted->value[i])
			continue;
		struct cJSON *row = cJSON_CreateObject();
		cJSON_AddStringToObject(row, "network", network);
		cJSON_AddStringToObject(row, "setting", nb_setting_name(i));
		cJSON_AddNumberToObject(row, "old", nb_setting_get(old, i));
		cJSON_AddNumberToObject(row, "new", wanted->value[i]);
		int rc = nb_out_row(cli->out, row, print_set, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int set_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp, void *arg,
		       struct nb_error *err)
{
	const struct wanted *wanted = arg;
	struct nb_settings old, new;

	int rc = nb_settings_read(dp, &old, err);
	if (rc)
		return rc;
	new = old;
	for (unsigned int i = NB_SETTING_FIRST; i < NB_SETTINGS; i++)
		if (wanted->value[i])
			nb_setting_put(&new, i, wanted->value[i]);
	rc = nb_settings_write(dp, &new, err);
	if (rc)
		return rc;
	return report_set(cli, network, &old, wanted, err);
}

/* If one of the networks cannot take one of the values, none is changed. */
int nb_cmd_conntrack_set(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_visited visited = { 0 };
	struct wanted wanted = { 0 };

	nb_out_keep_rows(cli->out);
	int rc = parse_wanted(cli, &wanted, err);
	if (rc)
		return rc;
	rc = nb_each_network(cli, NB_READ | NB_TRANSLATING, check_wanted, &wanted, NULL, err);
	if (rc)
		return rc;
	rc = nb_each_network(cli, NB_CHANGE | NB_TRANSLATING, set_network, &wanted, &visited, err);
	if (rc)
		return rc;
	return nb_require_network(cli, &visited, err);
}
