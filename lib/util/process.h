/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_PROCESS_H
#define NATBRIDGE_LIB_UTIL_PROCESS_H

/*
 * Runs another program to its end, with given bytes on its stdin and limits on its time and output.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/* Bytes that a program may write, unless the caller says otherwise. */
enum { NB_PROCESS_OUTPUT_MAX = 1 << 20 };

struct nb_process {
	const char *path;        /* of the program */
	const char *const *args; /* after its name, at most 8, ended by NULL; NULL: none */
	const char *command;     /* its CNI_COMMAND, NULL: none; the other variables are the caller's */
	const char *input;       /* its stdin, input_len bytes */
	size_t input_len;
	unsigned int timeout_ms; /* after which it is killed */
	bool take_errors;        /* stderr goes to the output, else to the caller's stderr */
	size_t output_max;       /* bytes; 0: NB_PROCESS_OUTPUT_MAX */
};

struct nb_process_output {
	char *text; /* owned, NUL-terminated */
	size_t len;
	int status; /* exit status; 128 + signal number if it was killed */
};

/* A running program. */
struct nb_process_child {
	const char *path; /* as in struct nb_process, not owned */
	pid_t pid;        /* 0: none */
	int pidfd;        /* owned */
	int out;          /* owned: the end of its stdout that is read */
	unsigned int timeout_ms;
	size_t output_max;
	long long deadline; /* ms, CLOCK_MONOTONIC */
};

/*
 * Starts the program. If the caller's thread ends first, the program is killed (PR_SET_PDEATHSIG).
 * The caller passes *child to nb_process_finish(); process->path must stay valid until then, the
 * rest of *process need not.
 */
int nb_process_start(const struct nb_process *process, struct nb_process_child *child, struct nb_error *err);

/*
 * Waits for the program's end and fills *out, which the caller frees. Zeroes *child, also on
 * failure. An error means that the program could not be run to its end; a failure of the program
 * itself is in out->status.
 */
int nb_process_finish(struct nb_process_child *child, struct nb_process_output *out, struct nb_error *err);

/* nb_process_start() and nb_process_finish(). */
int nb_process_run(const struct nb_process *process, struct nb_process_output *out, struct nb_error *err);

void nb_process_output_free(struct nb_process_output *out); /* for nb_cleanup() */

/*
 * Finds a regular file by its name in the directories of a list separated by ':', such as CNI_PATH.
 * The caller frees *found. -ENOENT: there is none.
 */
int nb_process_find(const char *name, const char *cni_path, char **found, struct nb_error *err);

#endif
