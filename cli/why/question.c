// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the two ends. */
#include "question.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/net/link.h"
#include "lib/util/addr.h"

static const struct {
	const char *name;
	__u8 proto;
} protos[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP }, { "icmp", IPPROTO_ICMP }
};

enum { TEXT_MAX = NB_NAME_MAX + NB_PORT_NAME_MAX + 16 };

static bool read_src(const char *text, struct nb_question *question)
{
	if (!strcmp(text, "node")) {
		question->is_node = true;
		return true;
	}
	question->has_src = nb_addr_parse(text, &question->src) ||
			    nb_addr_port_parse(text, &question->src, &question->sport);
	if (question->has_src)
		return true;
	if (!nb_ifname_valid(text))
		return false;
	snprintf(question->link, sizeof(question->link), "%s", text);
	return true;
}

/* Cuts a protocol from the end of a text, if one is there. */
static void cut_proto(char *text, struct nb_question *question)
{
	char *slash = strrchr(text, '/');

	question->proto = IPPROTO_TCP;
	for (size_t i = 0; slash && i < sizeof(protos) / sizeof(*protos); i++) {
		if (strcmp(slash + 1, protos[i].name) != 0)
			continue;
		question->proto = protos[i].proto;
		*slash = '\0';
		return;
	}
}

/* A number, or a name of lower-case letters, digits and '-'. */
static bool read_port(const char *text, struct nb_question *question)
{
	unsigned long long number;

	if (nb_uint_parse(text, 1, 65535, &number)) {
		question->dport = htons(number);
		return true;
	}
	if (!*text || strlen(text) >= sizeof(question->port_name) ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return false;
	snprintf(question->port_name, sizeof(question->port_name), "%s", text);
	return true;
}

/* "NAMESPACE/NAME:PORT", or without the port of a ping. */
static bool read_service(char *text, struct nb_question *question)
{
	char *colon = strchr(text, ':');
	const char *slash;

	if (colon)
		*colon = '\0';
	slash = strchr(text, '/');
	if (!slash || slash == text || !slash[1] || strlen(text) >= sizeof(question->service) ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-./")] || strchr(slash + 1, '/'))
		return false;
	if (question->proto == IPPROTO_ICMP ? colon != NULL : !colon || !read_port(colon + 1, question))
		return false;
	memcpy(question->service, text, strlen(text) + 1);
	return true;
}

static bool read_dst(const char *given, struct nb_question *question)
{
	char text[TEXT_MAX];

	if (strlen(given) >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%s", given);
	cut_proto(text, question);
	if (question->proto == IPPROTO_ICMP ? nb_addr_parse(text, &question->dst)
					    : nb_addr_port_parse(text, &question->dst, &question->dport))
		return true;
	return read_service(text, question);
}

int nb_question_read(const char *src, const char *dst, struct nb_question *question, struct nb_error *err)
{
	*question = (struct nb_question){ 0 };
	if (!read_src(src, question))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"%s\" is not \"node\", an address, or the name of a pod's port", src);
	if (!read_dst(dst, question))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"%s\" is not ADDRESS:PORT, ADDRESS/icmp or NAMESPACE/NAME:PORT", dst);
	if (question->has_src && !*question->service &&
	    nb_addr_family(&question->src) != nb_addr_family(&question->dst))
		return nb_fail(err, NB_ERR_CONFIG, 0, "\"%s\" and \"%s\" are not of one family", src, dst);
	return 0;
}
