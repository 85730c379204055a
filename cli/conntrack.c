// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl conntrack: the connection table. */
#include <natbridge/addr.h>
#include <natbridge/conntrack.h>
#include <natbridge/map.h>

#include <netinet/in.h>

#include "cli.h"
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
	return nb_each_network(cli, NB_READ, list_network, NULL, NULL, err);
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
	return nb_each_network(cli, NB_CHANGE, flush_network, NULL, NULL, err);
}

static void print_stats(const struct cJSON *row, FILE *to)
{
	const struct cJSON *value;

	fprintf(to, "%s\n", row_text(row, "network"));
	cJSON_ArrayForEach(value, row) {
		if (cJSON_IsNumber(value))
			fprintf(to, "  %-20s %.0f\n", value->string, value->valuedouble);
	}
}

static int stats_network(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			 void *arg, struct nb_error *err)
{
	__u64 counters[NB_COUNTERS];
	struct cJSON *row;
	__u32 entries;
	int rc = nb_conntrack_counters(dp, counters, err);

	(void)arg;
	if (!rc)
		rc = nb_map_count(dp, NB_MAP_CONNTRACK, &entries, err);
	if (rc)
		return rc;
	row = cJSON_CreateObject();
	cJSON_AddStringToObject(row, "network", network);
	cJSON_AddNumberToObject(row, "entries", entries);
	for (unsigned int i = NB_COUNT_NONE + 1; i < NB_COUNTERS; i++)
		cJSON_AddNumberToObject(row, nb_counter_name(i), counters[i]);
	return nb_out_row(cli->out, row, print_stats, err);
}

static int conntrack_stats(const struct nb_cli *cli, struct nb_error *err)
{
	return nb_each_network(cli, NB_READ, stats_network, NULL, NULL, err);
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
  Entries in the table (two for each connection, expired ones included), and what was counted\n\
  since the datapath was loaded, summed over all CPUs. Names are those of conntrack -S where they\n\
  mean the same; drop_... count dropped packets by reason.\n",
	  conntrack_stats },
	{ 0 },
};

const struct nb_noun nb_noun_conntrack = { "conntrack", "the connection table", verbs };
