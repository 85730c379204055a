// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl: reads the command line, finds the verb, prints its error. */
#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>
#include <natbridge/version.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "out.h"

enum { EXIT_USAGE = 2, EXIT_NOT_SET_UP = 3 };
enum { OPT_BPFFS = 256, OPT_NETWORK, OPT_KEEP, OPT_PRUNE_ALL, OPT_DRY_RUN };

static const struct option long_options[] = {
	{ "bpffs", required_argument, NULL, OPT_BPFFS }, { "network", required_argument, NULL, OPT_NETWORK },
	{ "output", required_argument, NULL, 'o' },      { "file", required_argument, NULL, 'f' },
	{ "keep", no_argument, NULL, OPT_KEEP },         { "prune-all", no_argument, NULL, OPT_PRUNE_ALL },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },   { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },           { 0 },
};

/* The command line as given, before it is known what verb it is for. */
struct words {
	char *const *word; /* ended by NULL */
	int n;
	const char *output; /* -o */
	const char **files; /* of nb_cli.files, with room for all words */
	bool help, version;
};

static int usage(struct nb_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int usage(struct nb_error *err, const char *fmt, ...)
{
	char text[NB_ERROR_MSG_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nb_fail(err, NB_ERR_CONFIG, 0, "%s; see natbridgectl --help", text);
	return EXIT_USAGE;
}

/* The name pattern of the CNI specification; it becomes a directory. */
static bool is_network_name(const char *text)
{
	if (!isalnum((unsigned char)*text))
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("_.-", *text))
			return false;
	}
	return true;
}

/* Of an option given twice the last would count and the first be lost. */
static int set_once(const char **slot, const char *option, struct nb_error *err)
{
	if (*slot && strcmp(*slot, optarg))
		return usage(err, "%s is given twice: \"%.200s\" and \"%.200s\"", option, *slot, optarg);
	*slot = optarg;
	return 0;
}

static int add_file(struct nb_cli *cli, struct words *words, struct nb_error *err)
{
	for (size_t i = 0; i < cli->n_files; i++)
		if (!strcmp(optarg, "-") && !strcmp(words->files[i], "-"))
			return usage(err, "-f - is given twice: standard input can be read once");
	words->files[cli->n_files++] = optarg;
	return 0;
}

static int read_option(int option, struct nb_cli *cli, struct words *words, char **argv, struct nb_error *err)
{
	switch (option) {
	case OPT_BPFFS:
		if (*optarg != '/')
			return usage(err, "--bpffs \"%.200s\" is not an absolute path", optarg);
		return set_once(&cli->bpffs, "--bpffs", err);
	case OPT_NETWORK:
		if (!is_network_name(optarg))
			return usage(err, "--network \"%.200s\" is not a network's name", optarg);
		return set_once(&cli->network, "--network", err);
	case OPT_KEEP:
		cli->keep = true;
		return 0;
	case OPT_PRUNE_ALL:
		cli->prune_all = true;
		return 0;
	case OPT_DRY_RUN:
		cli->dry_run = true;
		return 0;
	case 'o':
		if (strcmp(optarg, "plain") && strcmp(optarg, "json"))
			return usage(err, "-o \"%.200s\" is not plain or json", optarg);
		return set_once(&words->output, "-o", err);
	case 'f':
		return add_file(cli, words, err);
	case 'h':
		words->help = true;
		return 0;
	case 'V':
		words->version = true;
		return 0;
	case ':':
		return usage(err, "%s requires a value", argv[optind - 1]);
	default:
		return usage(err, "unknown option \"%.200s\"", argv[optind - 1]);
	}
}

/* Options may stand anywhere. All are read even after an error, so that it is printed in the form asked for.
 */
static int read_command_line(int argc, char **argv, struct nb_cli *cli, struct words *words,
			     struct nb_error *err)
{
	int rc = 0, option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:f:hV", long_options, NULL)) != -1) {
		struct nb_error later = { 0 };
		int failed = read_option(option, cli, words, argv, rc ? &later : err);

		rc = rc ? rc : failed;
	}
	words->word = argv + optind; /* where getopt_long() has moved them */
	words->n = argc - optind;
	return rc;
}

static int find_verb(const struct words *words, const struct nb_noun **noun, const struct nb_verb **verb,
		     int *used, struct nb_error *err)
{
	*noun = words->n ? nb_noun_find(words->word[0]) : NULL;
	if (!*noun && words->n)
		return usage(err, "unknown command \"%.200s\"", words->word[0]);
	if (!*noun)
		return words->help ? 0 : usage(err, "missing command");
	*used = 1;
	*verb = nb_verb_find(*noun, "");
	if (*verb)
		return 0;
	if (words->n < 2)
		return words->help ? 0 : usage(err, "missing command after \"%s\"", words->word[0]);
	*used = 2;
	*verb = nb_verb_find(*noun, words->word[1]);
	return *verb ? 0 : usage(err, "unknown command \"%s %.200s\"", words->word[0], words->word[1]);
}

static int check_verb(const struct nb_verb *verb, const struct words *words, int used, struct nb_cli *cli,
		      struct nb_error *err)
{
	const struct {
		bool is;
		enum nb_verb_options option;
		const char *name, *verb;
	} given[] = {
		{ cli->n_files, NB_OPTION_FILE, "-f", "service apply" },
		{ cli->keep, NB_OPTION_KEEP, "--keep", "service apply" },
		{ cli->prune_all, NB_OPTION_KEEP, "--prune-all", "service apply" },
		{ cli->dry_run, NB_OPTION_DRY_RUN, "--dry-run", "uninstall" },
	};

	if (words->n > used + (verb->argument != NULL) && !(verb->options & NB_ARGUMENTS))
		return usage(err, "unexpected argument \"%.200s\"", words->word[words->n - 1]);
	if (verb->argument && words->n == used)
		return usage(err, "missing %s", verb->argument);
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (given[i].is && !(verb->options & given[i].option))
			return usage(err, "%s is an option of %s only", given[i].name, given[i].verb);
	if (!cli->n_files && verb->options & NB_OPTION_FILE)
		return usage(err, "missing -f FILE (- is standard input)");
	if (cli->keep && cli->prune_all)
		return usage(err, "--keep and --prune-all exclude each other");
	cli->arguments = words->word + used;
	return 0;
}

static int show_help(const struct words *words, struct nb_error *err)
{
	struct words rest = { .word = words->word + 1, .n = words->n - 1, .help = true };
	const struct nb_noun *noun = NULL;
	const struct nb_verb *verb = NULL;
	int used, rc;

	rc = find_verb(&rest, &noun, &verb, &used, err);
	if (!rc && verb && rest.n > used)
		return usage(err, "unexpected argument \"%.200s\"", rest.word[rest.n - 1]);
	if (!rc)
		nb_help(noun, verb);
	return rc;
}

static int run(struct words *words, struct nb_cli *cli, struct nb_error *err)
{
	const struct nb_noun *noun = NULL;
	const struct nb_verb *verb = NULL;
	int used = 0, rc;

	if (words->version || (words->n == 1 && !strcmp(words->word[0], "version"))) {
		printf("natbridgectl %s (map layout v%d)\n", NB_VERSION, NB_ABI_VERSION);
		return 0;
	}
	if (words->n && !strcmp(words->word[0], "help"))
		return show_help(words, err);
	rc = find_verb(words, &noun, &verb, &used, err);
	if (rc)
		return rc;
	if (words->help || !verb) {
		nb_help(noun, verb);
		return 0;
	}
	rc = check_verb(verb, words, used, cli, err);
	if (rc)
		return rc;
	rc = verb->run(cli, err);
	if (!rc)
		rc = nb_out_end(cli->out, err);
	if (rc)
		return err->code == NB_ERR_NOT_SET_UP ? EXIT_NOT_SET_UP : EXIT_FAILURE;
	return 0;
}

int main(int argc, char **argv)
{
	struct nb_out *out nb_cleanup(nb_out_free) = NULL;
	const char **files nb_autofree = calloc(argc + 1, sizeof(*files));
	struct nb_error err = { 0 };
	struct words words = { .files = files };
	struct nb_cli cli = { .files = files };
	int status = files ? read_command_line(argc, argv, &cli, &words, &err) : EXIT_FAILURE;

	out = nb_out_new(words.output && *words.output == 'j');
	cli.out = out;
	if (!files || !out) {
		nb_fail_nomem(&err);
		status = EXIT_FAILURE;
	}
	if (!status)
		status = run(&words, &cli, &err);
	if (status)
		nb_out_error(out, err.msg);
	return status;
}
