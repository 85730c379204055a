// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl conntrack: the connection table. */
#include <netinet/in.h>

#include <natbridge/abi.h>

#include "lib/maps/conntrack.h"
#include "lib/maps/counters.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/maps/usage.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "cli.h"
#include "out.h"
#include "row.h"

static struct cJSON *tuple_json(const struct nb_tuple *tuple)
{
	struct cJSON *object = cJSON_CreateObject();
	char addr[NB_ADDR_STRLEN];

	cJSON_AddStringToObject(object, "src", nb_addr_format(&tuple->src, addr));
	cJSON_AddStringToObject(object, "dst", nb_addr_format(&tuple->dst, addr));
	cJSON_AddNumberToObject(object, "sport", ntohs(tuple->sport));
	cJSON_AddNumberToObject(object, "dport", ntohs(tuple->dport));
	return object;
}

static void print_tuple(const struct cJSON *tuple, FILE *to)
{
	fprintf(to, " src=%s dst=%s sport=%u dport=%u", row_text(tuple, "src"), row_text(tuple, "dst"),
		row_number(tuple, "sport"), row_number(tuple, "dport"));
}

/* As conntrack -L does (libnetfilter_conntrack, src/conntrack/snprintf_default.c). */
static void print_connection(const struct cJSON *row, FILE *to)
{
	const char *state = row_text(row, "state");

	fprintf(to, "%-8s %u %u", row_text(row, "protocol"), row_number(row, "protonum"),
		row_number(row, "timeout"));
	if (*state)
		fprintf(to, " %s", state);
	print_tuple(cJSON_GetObjectItemCaseSensitive(row, "original"), to);
	if (!row_bool(row, "replied"))
		fprintf(to, " [UNREPLIED]");
	print_tuple(cJSON_GetObjectItemCaseSensitive(row, "reply"), to);
	if (row_bool(row, "assured"))
		fprintf(to, " [ASSURED]");
}

static void print_alone(const struct cJSON *row, FILE *to)
{
	print_connection(row, to);
	fprintf(to, "\n");
}

static void print_with_network(const struct cJSON *row, FILE *to)
{
	print_connection(row, to);
	fprintf(to, " network=%s\n", row_text(row, "network"));
}

struct listing {
	const struct nb_cli *cli;
	const char *network;
	struct nb_error *err;
};

static int list_connection(const struct nb_conn_info *info, void *arg)
{
	const struct listing *listing = arg;
	struct cJSON *row = cJSON_CreateObject();
	bool tcp = info->orig.proto == IPPROTO_TCP;

	cJSON_AddStringToObject(row, "network", listing->network);
	cJSON_AddStringToObject(row, "protocol", tcp ? "tcp" : info->orig.proto == IPPROTO_UDP ? "udp" : "?");
	cJSON_AddNumberToObject(row, "protonum", info->orig.proto);
	cJSON_AddNumberToObject(row, "timeout", info->remaining);
	if (tcp)
		cJSON_AddStringToObject(row, "state", nb_tcp_state_name(info->conn.state));
	cJSON_AddItemToObject(row, "original", tuple_json(&info->orig));
	cJSON_AddItemToObject(row, "reply", tuple_json(&info->reply));
	cJSON_AddBoolToObject(row, "replied", info->conn.flags & NB_CONN_SEEN_REPLY);
	cJSON_AddBoolToObject(row, "assured", info->conn.flags & NB_CONN_ASSURED);
	cJSON_AddBoolToObject(row, "service", info->conn.flags & NB_CONN_SERVICE);
	return nb_out_row(listing->cli->out, row, listing->cli->network ? print_alone : print_with_network,
			  listing->err);
}

static int list_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			void *arg, struct nb_error *err)
{
	struct listing listing = { cli, network, err };

	(void)arg;
	return nb_conntrack_each(dp, list_connection, &listing, err);
}

static int conntrack_list(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_walked walked = { 0 };
	int rc = nb_each_network(cli, NB_READ | NB_TRANSLATING, list_network, NULL, &walked, err);

	nb_note_assisted(&walked);
	return rc;
}

static void print_flushed(const struct cJSON *row, FILE *to)
{
	fprintf(to, "%s: %u connections removed\n", row_text(row, "network"), row_number(row, "removed"));
}

static int flush_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			 void *arg, struct nb_error *err)
{
	struct cJSON *row;
	unsigned int removed;
	int rc = nb_conntrack_flush(dp, &removed, err);

	(void)arg;
	if (rc)
		return rc;
	row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddNumberToObject(row, "removed", removed);
	return nb_out_row(cli->out, row, print_flushed, err);
}

static int conntrack_flush(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_walked walked = { 0 };
	int rc;

	nb_out_keep_rows(cli->out);
	rc = nb_each_network(cli, NB_CHANGE | NB_TRANSLATING, flush_network, NULL, &walked, err);
	/* Where no network has been set up there is nothing to flush. */
	return !rc && walked.assisted ? nb_require_network(cli, &walked, err) : rc;
}

static void print_numbers(const struct cJSON *object, const char *indent, FILE *to)
{
	const struct cJSON *value;

	cJSON_ArrayForEach(value, object) {
		if (cJSON_IsNumber(value))
			fprintf(to, "%s%-20s %.0f\n", indent, value->string, value->valuedouble);
	}
}

static void print_stats(const struct cJSON *row, FILE *to)
{
	fprintf(to, "%s\n", row_text(row, "network"));
	print_numbers(row, "  ", to);
	fprintf(to, "  settings\n");
	print_numbers(cJSON_GetObjectItemCaseSensitive(row, "settings"), "    ", to);
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
	struct cJSON *row;
	__u32 entries;
	int rc = nb_counters_read(dp, counters, err);

	(void)arg;
	rc = rc ?: nb_settings_read(dp, &settings, err);
	if (!rc)
		rc = nb_datapath_has(dp, NB_MODE_EBPF) ? nb_conntrack_count(dp, &entries, err)
						       : nb_map_count(dp, NB_MAP_FLOWS, &entries, err);
	if (rc)
		return rc;
	row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddNumberToObject(row, "entries", entries);
	for (unsigned int i = 0; i < NB_COUNTERS; i++)
		if (nb_counter_name(i))
			cJSON_AddNumberToObject(row, nb_counter_name(i), counters[i]);
	cJSON_AddItemToObject(row, "settings", settings_json(&settings));
	return nb_out_row(cli->out, row, print_stats, err);
}

static int conntrack_stats(const struct nb_cli *cli, struct nb_error *err)
{
	return nb_each_network(cli, NB_READ, stats_network, NULL, NULL, err);
}

/* The settings that the command line wants, by number; 0: left alone. */
struct wanted {
	unsigned int value[NB_SETTINGS];
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
	fprintf(to, "%s: %s %u -> %u\n", row_text(row, "network"), row_text(row, "setting"),
		row_number(row, "old"), row_number(row, "new"));
}

static int report_set(const struct nb_cli *cli, const char *network, const struct nb_settings *old,
		      const struct wanted *wanted, struct nb_error *err)
{
	for (unsigned int i = NB_SETTING_FIRST; i < NB_SETTINGS; i++) {
		struct cJSON *row;
		int rc;

		if (!wanted->value[i])
			continue;
		row = cJSON_CreateObject();
		cJSON_AddStringToObject(row, "network", network);
		cJSON_AddStringToObject(row, "setting", nb_setting_name(i));
		cJSON_AddNumberToObject(row, "old", nb_setting_get(old, i));
		cJSON_AddNumberToObject(row, "new", wanted->value[i]);
		rc = nb_out_row(cli->out, row, print_set, err);
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
	return rc ?: report_set(cli, network, &old, wanted, err);
}

/* All of the networks can take all of it, or none is touched. */
static int conntrack_set(const struct nb_cli *cli, struct nb_error *err)
{
	struct nb_walked walked = { 0 };
	struct wanted wanted = { 0 };
	int rc = parse_wanted(cli, &wanted, err);

	nb_out_keep_rows(cli->out);
	rc = rc ?: nb_each_network(cli, NB_READ | NB_TRANSLATING, check_wanted, &wanted, NULL, err);
	rc = rc ?: nb_each_network(cli, NB_CHANGE | NB_TRANSLATING, set_network, &wanted, &walked, err);
	return rc ?: nb_require_network(cli, &walked, err);
}

static const struct nb_verb verbs[] = {
	{ "list", NULL, 0, "list the live connections", "\
DESCRIPTION\n\
  One line for each tracked connection, in the shape of conntrack -L: protocol, its number, the\n\
  seconds until the entry expires, the TCP state, the tuple as the client sends it, and the tuple\n\
  as the backend answers. Without --network, the network's name comes last:\n\
    tcp      6 431999 ESTABLISHED src=10.244.0.2 dst=10.96.0.10 sport=5555 dport=80\n\
      src=10.244.0.3 dst=10.244.0.2 sport=8080 dport=5555 [ASSURED] network=pods  (one line)\n\
  [UNREPLIED]: nothing came back yet. [ASSURED]: is not given up for new connections when the\n\
  table is full. Connections made directly to a backend are tracked as well.\n",
	  conntrack_list },
	{ "flush", NULL, 0, "remove all connections", "\
DESCRIPTION\n\
  Removes all connections of the network. Live TCP connections are taken up again at their next\n\
  packet, with the backend that their addresses and ports lead to; if the backends changed\n\
  meanwhile, that can be another one, which will answer with a reset.\n",
	  conntrack_flush },
	{ "stats", NULL, 0, "show the counters of the datapath", "\
DESCRIPTION\n\
  The connections that list shows (entries), and what was counted since the datapath was\n\
  loaded, summed over all CPUs. Names are those of conntrack -S where they\n\
  mean the same:\n\
    insert         connections entered into the table\n\
    insert_failed  connections that could not be entered\n\
    found          new connections whose answers would have been taken for another one's\n\
    clash_resolve  first packets that lost a race and went on with the winner's entry\n\
    early_drop     unanswered or closing connections that gave way to new ones\n\
    echo           pings of a Service's address, answered in its name\n\
    drop           packets dropped because the table was full of established connections\n\
  drop_... count packets dropped for other reasons. Last come the settings.\n",
	  conntrack_stats },
	{ "set", "NAME=VALUE", NB_ARGUMENTS, "change settings of the running datapath", "\
DESCRIPTION\n\
  Names are those of nf_conntrack, as in serviceProxy.conntrack of the network config:\n\
    max    connections that the table may hold: 1024 up to the size that it was made with, which is\n\
           what the config said when the network got its first pod. Connections beyond a smaller\n\
           one stay until they end.\n\
    tcp_syn_sent, tcp_syn_recv, tcp_established, tcp_fin_wait, tcp_close_wait, tcp_last_ack,\n\
    tcp_time_wait, tcp_close, tcp_max_retrans, tcp_unacknowledged, udp, udp_stream\n\
           timeouts in seconds. A connection takes a new one over with its next packet.\n\
    tcp_syn_sent2, icmp, generic\n\
           are taken, but no packet uses them: ICMP is not tracked by itself.\n\
  A network in mode assist has no settings of its own: its connections are the host's.\n\
  All or nothing: a value that one of the networks cannot take leaves all as they are. The next ADD\n\
  puts back what the network config names, and leaves the rest as it is set here.\n\
    natbridgectl conntrack set max=65536 tcp_established=86400 udp_stream=60\n",
	  conntrack_set },
	{ 0 },
};

const struct nb_noun nb_noun_conntrack = { "conntrack", "the connection table", verbs };
