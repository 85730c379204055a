// SPDX-License-Identifier: GPL-2.0-or-later
/* From the options of conntrack list to a decision about each connection. */
#include "conn_filter.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>

#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

/* ---- words ---- */

static const struct {
	const char *name;
	unsigned int number;
} protos[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

enum { PROTOS = sizeof(protos) / sizeof(protos[0]) };

static const char unreplied[] = "UNREPLIED", assured[] = "ASSURED";

bool nb_cidr_text(const char *text, struct nb_cidr *cidr)
{
	struct nb_addr addr;
	unsigned int len;

	if (!nb_cidr_parse(text, &addr, &len)) {
		if (!nb_addr_parse(text, &addr))
			return false;
		len = nb_addr_family(&addr) == AF_INET ? 32 : 128;
	}
	*cidr = (struct nb_cidr){ .network = nb_addr_network(&addr, len), .len = len };
	return true;
}

/* States are numbered for each protocol: TCP's, then those of SCTP, which have other names but for two. */
const char *nb_conn_state_word(size_t i)
{
	static const char *const words[] = {
		"SYN_SENT",    "SYN_RECV",      "ESTABLISHED",   "FIN_WAIT",      "CLOSE_WAIT",
		"LAST_ACK",    "TIME_WAIT",     "CLOSE",         "SYN_SENT2",     "CLOSED",
		"COOKIE_WAIT", "COOKIE_ECHOED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT",
		unreplied,     assured,
	};

	return i < sizeof(words) / sizeof(*words) ? words[i] : NULL;
}

const char *nb_conn_proto_word(size_t i)
{
	return i < PROTOS ? protos[i].name : NULL;
}

const char *nb_conn_proto_name(unsigned int proto)
{
	for (size_t i = 0; i < PROTOS; i++)
		if (protos[i].number == proto)
			return protos[i].name;
	return "?";
}

/* ---- the filter ---- */

void nb_conn_filter_init(struct nb_conn_filter *filter, const struct nb_cli *cli)
{
	*filter = (struct nb_conn_filter){ .cli = cli };
	if (cli->src)
		nb_cidr_text(cli->src, &filter->src);
	if (cli->dst)
		nb_cidr_text(cli->dst, &filter->dst);
}

void nb_conn_filter_free(struct nb_conn_filter *filter)
{
	nb_vec_free(&filter->frontends);
}

int nb_conn_filter_enter(struct nb_conn_filter *filter, const struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services services = { 0 };
	int rc;

	filter->frontends.n = 0;
	if (!filter->cli->service)
		return 0;
	rc = nb_service_read(dp, &services, err);
	for (size_t i = 0; i < services.n && !rc; i++)
		if (!strcmp(services.items[i].name, filter->cli->service))
			rc = nb_vec_push(&filter->frontends, services.items[i].key, err);
	filter->has_service |= filter->frontends.n > 0;
	return rc;
}

bool nb_cidr_has(const struct nb_cidr *cidr, const struct nb_addr *addr)
{
	struct nb_addr network;

	if (nb_addr_family(addr) != nb_addr_family(&cidr->network))
		return false;
	network = nb_addr_network(addr, cidr->len);
	return !memcmp(&network, &cidr->network, sizeof(network));
}

bool nb_conn_filter_has_frontend(const struct nb_conn_filter *filter, const struct nb_addr *addr, __be16 port,
				 __u8 proto)
{
	const struct nb_frontend_key key = { .addr = *addr, .port = port, .proto = proto };

	for (size_t i = 0; i < filter->frontends.n; i++)
		if (!nb_frontend_compare_place(&filter->frontends.items[i], &key))
			return true;
	return false;
}

static bool is_in_state(const struct nb_conn_info *info, const char *state)
{
	const char *name = nb_conn_state_name(info->orig.proto, nb_life_state(info->conn.life));
	const unsigned int flags = nb_life_flags(info->conn.life);

	if (!strcmp(state, unreplied))
		return !(flags & NB_LIFE_SEEN_REPLY);
	if (!strcmp(state, assured))
		return flags & NB_LIFE_ASSURED;
	return name && !strcmp(name, state);
}

bool nb_conn_filter_matches(const struct nb_conn_filter *filter, const struct nb_conn_info *info)
{
	const struct nb_cli *cli = filter->cli;

	return (!cli->protocol || !strcmp(cli->protocol, nb_conn_proto_name(info->orig.proto))) &&
	       (!cli->state || is_in_state(info, cli->state)) &&
	       (!cli->src || nb_cidr_has(&filter->src, &info->orig.src)) &&
	       (!cli->dst || nb_cidr_has(&filter->dst, &info->orig.dst)) &&
	       (!cli->service ||
		nb_conn_filter_has_frontend(filter, &info->orig.dst, info->orig.dport, info->orig.proto));
}

int nb_conn_filter_end(const struct nb_conn_filter *filter, struct nb_error *err)
{
	if (!filter->cli->service || filter->has_service)
		return 0;
	return nb_fail(err, NB_ERR_CONFIG, 0,
		       "no Service \"%s\" here; natbridgectl service list has the names",
		       filter->cli->service);
}
