// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cost [-n COUNT] COMMAND...: runs it with stdin as given and stdout discarded; prints milliseconds and the
 * largest resident memory of it or of a child that it waited for, in kB. Fails as the command does.
 *
 * With -n that many run at once, each with all of stdin to read. The milliseconds are those from the start of
 * the first to the end of the last. "%" in CNI_CONTAINERID and CNI_NETNS stands for the number of each, from
 * 100.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST = 100 }; /* number */

static void put_number(const char *name, unsigned int number)
{
	const char *value = getenv(name), *at = value ? strchr(value, '%') : NULL;
	char text[256];

	if (!at)
		return;
	snprintf(text, sizeof(text), "%.*s%u%s", (int)(at - value), value, number, at + 1);
	setenv(name, text, 1);
}

/* Stdin as a file of its own, at its start. */
static void copy_stdin(const char *input, size_t len)
{
	int file = memfd_create("stdin", 0);

	if (file < 0 || write(file, input, len) != (ssize_t)len || lseek(file, 0, SEEK_SET) ||
	    dup2(file, STDIN_FILENO) < 0) {
		perror("cost: stdin");
		_exit(127);
	}
	close(file);
}

static _Noreturn void become(char **argv)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDOUT_FILENO);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

static void start(unsigned int count, char **argv, const char *input, size_t len)
{
	for (unsigned int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("cost: fork");
			exit(1);
		}
		if (pid)
			continue;
		if (input) {
			copy_stdin(input, len);
			put_number("CNI_CONTAINERID", FIRST + i);
			put_number("CNI_NETNS", FIRST + i);
		}
		become(argv);
	}
}

/* The first status that is not 0. */
static int wait_all(long *kb)
{
	struct rusage usage;
	int status, result = 0;

	while (wait4(-1, &status, 0, &usage) > 0) {
		if (!result)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		if (usage.ru_maxrss > *kb)
			*kb = usage.ru_maxrss;
	}
	return result;
}

int main(int argc, char **argv)
{
	static char input[65536];
	unsigned int count = 0;
	struct timespec from, to;
	size_t len = 0;
	long kb = 0;
	int result;

	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		count = (unsigned int)atoi(argv[2]);
		argv += 2;
		argc -= 2;
		len = fread(input, 1, sizeof(input), stdin);
	}
	if (argc < 2) {
		fputs("usage: cost [-n COUNT] COMMAND...\n", stderr);
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	start(count ? count : 1, argv + 1, count ? input : NULL, len);
	result = wait_all(&kb);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.2f %ld\n",
	       (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6, kb);
	return result;
}
