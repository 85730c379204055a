/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_PROCESS_H
#define NATBRIDGE_LIB_UTIL_PROCESS_H

/* Running another program with a text on stdin, to its end, within bounds of time and size. No JSON here. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

enum {
	NB_DELEGATE_OUTPUT_MAX = 1 << 20, /* bytes of stdout that are taken */
};

struct nb_process {
	const char *path;        /* of the program */
	const char *const *args; /* behind its name, ended by NULL; NULL: none */
	const char *command;     /* CNI_COMMAND; the rest of the environment is ours. NULL: all of it */
	const char *input;
	size_t input_len;
	unsigned int timeout_ms; /* then it is killed */
	bool take_errors;        /* stderr is taken as well, else it is ours */
};

struct nb_process_output {
	char *text; /* owned, NUL-terminated */
	size_t len;
	int status; /* exit status; 128 + signal number if it was killed */
};

/* A program under way. */
struct nb_process_child {
	const char *path; /* as in struct nb_process, not owned */
	pid_t pid;        /* 0: none */
	int pidfd, out;   /* owned: itself, and the end of its stdout that is read */
	unsigned int timeout_ms;
	long long deadline; /* ms, CLOCK_MONOTONIC */
};

/*
 * Starts the program. It ends with the caller's thread if that ends first (PR_SET_PDEATHSIG). *child is to be
 * given to nb_process_finish(); delegate->path must be there until then, the rest of *delegate need not.
 */
int nb_process_start(const struct nb_process *delegate, struct nb_process_child *child, struct nb_error *err);

/* Waits for its end; *child is none then, whatever comes back. Errors as nb_process_run(). */
int nb_process_finish(struct nb_process_child *child, struct nb_process_output *out, struct nb_error *err);

/* Both. -EINVAL and *err if the program could not be run to its end; a failure of its own is in out->status.
 */
int nb_process_run(const struct nb_process *delegate, struct nb_process_output *out, struct nb_error *err);
void nb_process_output_free(struct nb_process_output *out); /* for nb_cleanup() */

/*
 * Looks for a regular file of that name in the directories of CNI_PATH (separated by ':'). The caller frees
 * *found. -ENOENT if there is none.
 */
int nb_process_find(const char *name, const char *cni_path, char **found, struct nb_error *err);

#endif
