// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads /proc/self. */
#include "process_stats.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/cleanup.h"

/* Numbers of fields in proc_pid_stat(5). */
enum { UTIME = 14, STIME = 15, STARTTIME = 22, VSIZE = 23, RSS = 24 };

static double seconds(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_stat(struct nb_process_stats *stats)
{
	const double ticks = (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);
	nb_autofclose FILE *file = fopen("/proc/self/stat", "re");
	double fields[RSS + 1] = { 0 };
	char buf[1024], *at;
	size_t len;

	len = file ? fread(buf, 1, sizeof(buf) - 1, file) : 0;
	buf[len] = '\0';
	/* The second field, the name of the program in brackets, may hold any character. */
	at = strrchr(buf, ')');
	if (!at || strlen(at) < 4)
		return;
	at += 3; /* the third one is a letter */
	for (size_t i = 4; i <= RSS; i++)
		fields[i] = strtod(at, &at);
	stats->cpu_seconds = (fields[UTIME] + fields[STIME]) / ticks;
	stats->resident = fields[RSS] * page;
	stats->virtual_bytes = fields[VSIZE];
	stats->start_time = seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) + fields[STARTTIME] / ticks;
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
		stats.max_fds = (double)limit.rlim_cur;
	return stats;
}
