// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads /proc/self. */
#include "process_stats.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/cleanup.h"

/* proc_pid_stat(5). The name of the program, in brackets, may hold any character. */
static void read_stat(struct nb_process_stats *stats)
{
	const double ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
	nb_autofclose FILE *file = fopen("/proc/self/stat", "re");
	unsigned long long start, size;
	unsigned long user, sys;
	struct timespec boot, now;
	char buf[1024];
	size_t len;
	long pages;
	char *at;

	len = file ? fread(buf, 1, sizeof(buf) - 1, file) : 0;
	buf[len] = '\0';
	at = strrchr(buf, ')');
	/* Fields 3 .. 24. */
	if (!at || sscanf(at + 1,
			  " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu "
			  "%llu %ld",
			  &user, &sys, &start, &size, &pages) != 5)
		return;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	stats->cpu_seconds = (user + sys) / ticks;
	stats->resident = pages * page;
	stats->virtual_bytes = size;
	stats->start_time = now.tv_sec - boot.tv_sec + (now.tv_nsec - boot.tv_nsec) / 1e9 + start / ticks;
}

/* Without the one that reads them. */
static double count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -1;

	if (!dir)
		return 0;
	for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

struct nb_process_stats nb_process_stats_read(void)
{
	struct nb_process_stats stats = { 0 };
	struct rlimit limit;

	read_stat(&stats);
	stats.open_fds = count_fds();
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		stats.max_fds = limit.rlim_cur;
	return stats;
}
