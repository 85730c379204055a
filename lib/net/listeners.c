// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets in state LISTEN of the process's namespace, and which of them it has open. */
#include "listeners.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

enum { STATE_LISTEN = 0x0a /* TCP_LISTEN of net/tcp_states.h */ };

void nb_listeners_free(struct nb_listeners *listeners)
{
	nb_vec_free(&listeners->all);
}

struct inodes {
	NB_VEC(unsigned long) all;
};

static void inodes_free(struct inodes *inodes)
{
	nb_vec_free(&inodes->all);
}

static void close_listing(DIR **listing)
{
	if (*listing)
		closedir(*listing);
}

/* The inodes of the sockets that the process has open. */
static int read_inodes(pid_t pid, struct inodes *inodes, struct nb_error *err)
{
	static const char prefix[] = "socket:[";
	nb_cleanup(close_listing) DIR *listing = NULL;
	const struct dirent *entry;
	char path[64];
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	listing = opendir(path);
	if (!listing)
		return nb_fail(err, NB_ERR_SYSTEM, errno == ENOENT ? ESRCH : errno, "cannot read \"%s\"",
			       path);
	while (!rc && (entry = readdir(listing))) {
		char target[64] = "";

		if (readlinkat(dirfd(listing), entry->d_name, target, sizeof(target) - 1) > 0 &&
		    !strncmp(target, prefix, strlen(prefix)))
			rc = nb_vec_push(&inodes->all, strtoul(target + strlen(prefix), NULL, 10), err);
	}
	return rc;
}

/*
 * An address as /proc/net/tcp has it: one word, or four, each as it is in memory (net/ipv4/tcp_ipv4.c,
 * get_tcp4_sock()).
 */
static bool parse_addr(const char *hex, struct nb_addr *addr)
{
	const size_t n = strlen(hex) / 8;
	__u32 words[4];

	if (n != 1 && n != 4)
		return false;
	for (size_t i = 0; i < n; i++) {
		char word[9];

		snprintf(word, sizeof(word), "%s", hex + 8 * i);
		words[i] = strtoul(word, NULL, 16);
	}
	*addr = nb_addr_from_bytes(n == 1 ? AF_INET : AF_INET6, words);
	return true;
}

static bool has_inode(const struct inodes *inodes, unsigned long inode)
{
	for (size_t i = 0; i < inodes->all.n; i++)
		if (inodes->all.items[i] == inode)
			return true;
	return false;
}

/* Columns of /proc/net/tcp: the second is the address and port, the fourth the state, the tenth the inode. */
enum { COLUMN_LOCAL = 1, COLUMN_STATE = 3, COLUMN_INODE = 9, COLUMNS };

/* False: the line is no socket that listens. */
static bool parse_line(char *line, struct nb_listener *listener, unsigned long *inode)
{
	char *columns[COLUMNS], *rest = line, *port;
	size_t n = 0;

	while (n < COLUMNS && rest) {
		columns[n] = strsep(&rest, " \n");
		n += *columns[n] != '\0';
	}
	if (n < COLUMNS || strtoul(columns[COLUMN_STATE], NULL, 16) != STATE_LISTEN)
		return false;
	port = strchr(columns[COLUMN_LOCAL], ':');
	if (!port)
		return false;
	*port = '\0';
	listener->port = strtoul(port + 1, NULL, 16);
	*inode = strtoul(columns[COLUMN_INODE], NULL, 10);
	return parse_addr(columns[COLUMN_LOCAL], &listener->addr);
}

/* A file of one family; without IPv6 there is only one. */
static int read_file(pid_t pid, const char *name, const struct inodes *inodes, struct nb_listeners *listeners,
		     struct nb_error *err)
{
	nb_autofclose FILE *file = NULL;
	char path[64], line[512];
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, name);
	file = fopen(path, "re");
	while (file && !rc && fgets(line, sizeof(line), file)) {
		struct nb_listener listener;
		unsigned long inode;

		if (parse_line(line, &listener, &inode) && has_inode(inodes, inode))
			rc = nb_vec_push(&listeners->all, listener, err);
	}
	return rc;
}

int nb_listeners_read(pid_t pid, struct nb_listeners *listeners, struct nb_error *err)
{
	nb_cleanup(inodes_free) struct inodes inodes = { 0 };
	int rc = read_inodes(pid, &inodes, err);

	rc = rc ? rc : read_file(pid, "tcp", &inodes, listeners, err);
	return rc ? rc : read_file(pid, "tcp6", &inodes, listeners, err);
}
