// SPDX-License-Identifier: GPL-2.0-or-later
/* Kinds of values on the command line: how help calls them, which texts they are, what a shell offers. */
#include "values.h"

#include <ctype.h>
#include <net/if.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/monitor/event_names.h"
#include "lib/util/addr.h"

#include "conn_filter.h"
#include "event_filter.h"

static bool is_absolute_path(const char *text)
{
	return *text == '/';
}

/* The name pattern of the CNI specification; the name becomes a directory of the bpffs. */
static bool is_network_name(const char *text)
{
	if (!strcmp(text, NB_NODE_NETWORK))
		return true;
	if (!isalnum((unsigned char)*text))
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("_.-", *text))
			return false;
	}
	return true;
}

static bool is_prefix(const char *text)
{
	struct nb_cidr cidr;

	return nb_cidr_text(text, &cidr);
}

static bool is_port(const char *text)
{
	unsigned long long port;

	return nb_uint_parse(text, 1, 65535, &port);
}

static bool is_number(const char *text)
{
	unsigned long long number;

	return nb_uint_parse(text, 1, 1000000000, &number);
}

static bool is_pod(const char *text)
{
	const size_t len = strlen(text);
	struct nb_addr addr;

	return nb_addr_parse(text, &addr) || (len && len < IF_NAMESIZE && !strpbrk(text, "/ :"));
}

static bool is_kinds(const char *text)
{
	unsigned int kinds;

	return nb_kinds_text(text, &kinds);
}

static bool is_seconds(const char *text)
{
	unsigned long long seconds;

	return nb_uint_parse(text, 0, NB_SECONDS_MAX, &seconds);
}

static bool is_interval(const char *text)
{
	unsigned long long seconds;

	return !*text || nb_uint_parse(text, 1, NB_SECONDS_MAX, &seconds);
}

static const char *form(size_t i)
{
	static const char *const words[] = { "plain", "json" };

	return i < sizeof(words) / sizeof(*words) ? words[i] : NULL;
}

static const char *networks(size_t i)
{
	return i ? NULL : "networks";
}

static const char *services(size_t i)
{
	return i ? NULL : "services";
}

static const char *pods(size_t i)
{
	return i ? NULL : "pods";
}

static const char *ends(size_t i)
{
	return i ? NULL : "ends";
}

static const char *shell(size_t i)
{
	static const char *const words[] = { "bash", "zsh", "networks", "services", "pods", "ends" };

	return i < sizeof(words) / sizeof(*words) ? words[i] : NULL;
}

static const char *setting(size_t i)
{
	return i < NB_SETTINGS - NB_SETTING_FIRST ? nb_setting_name(NB_SETTING_FIRST + i) : NULL;
}

/* A row without one of its columns does not compile. */
#define VALUE(placeholder, expected, accepts, completion, word)                                              \
	{                                                                                                    \
		placeholder, expected, accepts, completion, word                                             \
	}
const struct nb_value nb_values[NB_VALUES] = {
	[NB_VALUE_NONE] = VALUE("", NULL, NULL, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_NETWORK] = VALUE("NAME", "a network name", is_network_name, NB_COMPLETE_LIST, networks),
	[NB_VALUE_DIR] = VALUE("DIR", "an absolute path", is_absolute_path, NB_COMPLETE_DIRS, NULL),
	[NB_VALUE_FORM] = VALUE("plain|json", "plain or json", NULL, NB_COMPLETE_WORDS, form),
	[NB_VALUE_FILE] = VALUE("FILE", NULL, NULL, NB_COMPLETE_FILES, NULL),
	[NB_VALUE_SERVICE] = VALUE("NAMESPACE/NAME", NULL, NULL, NB_COMPLETE_LIST, services),
	[NB_VALUE_NODE] = VALUE("NAME", NULL, NULL, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_SETTING] = VALUE("NAME=VALUE", NULL, NULL, NB_COMPLETE_NAMES, setting),
	[NB_VALUE_PREFIX] =
		VALUE("ADDRESS[/LENGTH]", "an address or a prefix", is_prefix, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_STATE] = VALUE("STATE", "a state of a connection, such as ESTABLISHED or UNREPLIED", NULL,
				 NB_COMPLETE_WORDS, nb_conn_state_word),
	[NB_VALUE_PROTOCOL] =
		VALUE("tcp|udp|sctp", "tcp, udp or sctp", NULL, NB_COMPLETE_WORDS, nb_conn_proto_word),
	[NB_VALUE_PORT] = VALUE("PORT", "a port, 1 to 65535", is_port, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_POD] =
		VALUE("ADDRESS|DEVICE", "an address or the name of a device", is_pod, NB_COMPLETE_LIST, pods),
	[NB_VALUE_REASON] = VALUE("REASON", "a reason, such as drop_no_backend or end_expired", NULL,
				  NB_COMPLETE_WORDS, nb_reason_word),
	[NB_VALUE_KINDS] = VALUE("KIND[,KIND...]", "a list of drop, begin and end, with commas", is_kinds,
				 NB_COMPLETE_WORDS, nb_event_kind_name),
	[NB_VALUE_ENDS] = VALUE("SRC DST", NULL, NULL, NB_COMPLETE_LIST, ends),
	[NB_VALUE_NUMBER] = VALUE("N", "a number, 1 to 1000000000", is_number, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_SHELL] =
		VALUE("bash|zsh|networks|services|pods|ends", "bash, zsh, networks, services, pods or ends",
		      NULL, NB_COMPLETE_WORDS, shell),
	[NB_VALUE_SECONDS] =
		VALUE("SECONDS", "a number of seconds up to 3600", is_seconds, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_INTERVAL] =
		VALUE("[SECONDS]", "a number of seconds, 1 to 3600", is_interval, NB_COMPLETE_NOTHING, NULL),
	[NB_VALUE_COMMAND] = VALUE("NOUN [VERB]", NULL, NULL, NB_COMPLETE_COMMANDS, NULL),
};
#undef VALUE

bool nb_value_accepts(enum nb_value_kind kind, const char *text)
{
	const struct nb_value *value = &nb_values[kind];

	if (!value->expected)
		return true;
	if (value->accepts)
		return value->accepts(text);
	for (size_t i = 0; value->word(i); i++) {
		if (!strcmp(value->word(i), text))
			return true;
	}
	return false;
}
