// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A storm: see storm.h.
 *
 *   storm PLAN SECONDS
 *
 * PLAN is a file as plan_read() reads it. Clients and backends are processes in the namespaces of
 * their pods; this one watches what enters these. Prints a line "NAME COUNT" for each row of
 * COUNT_TABLE, summed, and "client N sent COUNT" for each client. Exits with 1 if anything was
 * wrong.
 */
#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WATCH_US = 2000, AFTER_US = 200000, PROCESSES = CLIENTS + SERVICES * BACKENDS };

static pid_t processes[PROCESSES];
static unsigned int n_processes;

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

/* True: in the new process, which ends with this one. */
static bool begin_process(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0)
		return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
	processes[n_processes++] = pid;
	return false;
}

/* None may end by itself. */
static void check_processes(void)
{
	int status;

	if (waitpid(-1, &status, WNOHANG) == 0)
		return;
	fputs("a process of the storm has ended\n", stderr);
	exit(2);
}

static void watch_for(double seconds)
{
	double end = now() + seconds;

	while (now() < end) {
		usleep(WATCH_US);
		watch_read();
		check_processes();
	}
}

static void begin_backends(const struct plan *plan, struct shared *shared)
{
	for (unsigned int i = 0; i < SERVICES * BACKENDS; i++)
		if (begin_process()) {
			backend_run(plan, i / BACKENDS, i % BACKENDS, shared);
			exit(0);
		}
	while (__atomic_load_n(&shared->backends_ready, __ATOMIC_SEQ_CST) < SERVICES * BACKENDS) {
		usleep(WATCH_US);
		check_processes();
	}
}

static void begin_clients(const struct plan *plan, struct shared *shared)
{
	for (unsigned int i = 0; i < CLIENTS; i++)
		if (begin_process()) {
			client_run(plan, i, shared);
			exit(0);
		}
}

static void wait_for_all(void)
{
	for (unsigned int i = 0; i < n_processes; i++) {
		int status;

		if (waitpid(processes[i], &status, 0) != processes[i] || status) {
			fputs("a process of the storm has failed\n", stderr);
			exit(2);
		}
	}
}

static void add(unsigned long sum[COUNTS], const struct tally *tally)
{
	for (unsigned int i = 0; i < COUNTS; i++)
		sum[i] += tally->counts[i];
}

/* Returns the number of all that was wrong. */
static unsigned long print_counts(const struct shared *shared)
{
#define COUNT_NAME(id, name) [id] = (name),
	static const char *const names[COUNTS] = { COUNT_TABLE(COUNT_NAME) };
#undef COUNT_NAME
	unsigned long sum[COUNTS] = { 0 }, wrong = 0;

	add(sum, &shared->watch);
	for (unsigned int i = 0; i < CLIENTS; i++)
		add(sum, &shared->clients[i]);
	for (unsigned int i = 0; i < SERVICES * BACKENDS; i++)
		add(sum, &shared->backends[i / BACKENDS][i % BACKENDS]);
	for (unsigned int i = 0; i < COUNTS; i++) {
		printf("%s %lu\n", names[i], sum[i]);
		wrong += i >= COUNT_WRONG ? sum[i] : 0;
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		printf("client %u sent %lu\n", i, shared->clients[i].counts[SENT]);
	return wrong;
}

int main(int argc, char **argv)
{
	static struct plan plan;
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (argc != 3) {
		fputs("usage: storm PLAN SECONDS; see test/storm/main.c\n", stderr);
		return 2;
	}
	if (shared == MAP_FAILED)
		fail("memory");
	plan_read(&plan, argv[1]);
	begin_backends(&plan, shared);
	watch_open(&plan, &shared->watch);
	begin_clients(&plan, shared);
	watch_for(strtod(argv[2], NULL));
	__atomic_store_n(&shared->clients_stop, true, __ATOMIC_RELAXED);
	usleep(AFTER_US);
	__atomic_store_n(&shared->backends_stop, true, __ATOMIC_RELAXED);
	wait_for_all();
	watch_read();
	watch_close();
	return print_counts(shared) ? 1 : 0;
}
