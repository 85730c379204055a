/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_VALUES_H
#define NATBRIDGE_CLI_VALUES_H

/* Kinds of values on the command line: what an option or an argument takes. */

#include <stdbool.h>
#include <stddef.h>

enum nb_value_kind {
	NB_VALUE_NONE, /* takes no value */
	NB_VALUE_NETWORK,
	NB_VALUE_DIR,
	NB_VALUE_FORM,
	NB_VALUE_FILE,
	NB_VALUE_SERVICE,
	NB_VALUE_NODE,
	NB_VALUE_SETTING,
	NB_VALUE_PREFIX,
	NB_VALUE_STATE,
	NB_VALUE_PROTOCOL,
	NB_VALUE_PORT,
	NB_VALUE_POD,
	NB_VALUE_REASON,
	NB_VALUE_KINDS,
	NB_VALUE_NUMBER,
	NB_VALUE_SHELL,
	NB_VALUE_COMMAND,
	NB_VALUE_ENDS,     /* of the way of a packet */
	NB_VALUE_SECONDS,  /* up to NB_SECONDS_MAX */
	NB_VALUE_INTERVAL, /* the same from 1 on, or none */
	NB_VALUES,
};

enum { NB_SECONDS_MAX = 3600 };

/* What a shell offers for a value. */
enum nb_completion {
	NB_COMPLETE_NOTHING,
	NB_COMPLETE_WORDS,    /* the words of the row */
	NB_COMPLETE_NAMES,    /* the same, each with a "=" behind it */
	NB_COMPLETE_COMMANDS, /* nouns, and verbs behind them */
	NB_COMPLETE_LIST,     /* names on this node: the row's word is the list (names.h) */
	NB_COMPLETE_FILES,
	NB_COMPLETE_DIRS,
};

struct nb_value {
	const char *placeholder;           /* in the synopsis: "DIR" */
	const char *expected;              /* "an absolute path"; NULL: every text is accepted */
	bool (*accepts)(const char *text); /* NULL: the words of the row are accepted */
	enum nb_completion completion;
	const char *(*word)(size_t i); /* the i-th word, NULL behind the last one; NULL: there are none */
};

/* By enum nb_value_kind. */
extern const struct nb_value nb_values[NB_VALUES];

bool nb_value_accepts(enum nb_value_kind kind, const char *text);

#endif
