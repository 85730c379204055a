// SPDX-License-Identifier: GPL-2.0-or-later
/* Ticks from the kernel's jiffies and back to seconds. */
#include "tick.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <time.h>

#include "lib/util/error.h"

#include "layout.h"

static const unsigned long long ns_per_second = 1000000000ULL;

/* Nanoseconds of a jiffy: the resolution of the clock that moves only with jiffies. */
static unsigned long long jiffy_ns(void)
{
	struct timespec res;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &res) || res.tv_sec || !res.tv_nsec)
		return ns_per_second / 250;
	return res.tv_nsec;
}

unsigned int nb_tick_shift(void)
{
	unsigned long long jiffy = jiffy_ns();
	unsigned int shift = 0;

	while ((jiffy << (shift + 1)) < ns_per_second / 8)
		shift++;
	return shift;
}

static unsigned long long tick_ns(void)
{
	return jiffy_ns() << nb_tick_shift();
}

/* Jiffies do not follow from other clocks: they lag where timer interrupts were lost, as in a guest. */
int nb_tick_now(const struct nb_datapath *dp, __u32 *now, struct nb_error *err)
{
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	const enum nb_prog clock = nb_datapath_has(dp, NB_MODE_NODE) ? NB_PROG_NODE_CLOCK : NB_PROG_CLOCK;

	if (bpf_prog_test_run_opts(dp->prog_fd[clock], &opts))
		return nb_fail(err, NB_ERR_DATAPATH, errno, "cannot run the program %s", nb_prog_name(clock));
	*now = opts.retval;
	return 0;
}

__u32 nb_ticks_from_seconds(unsigned int seconds)
{
	unsigned long long tick = tick_ns();

	return (seconds * ns_per_second + tick - 1) / tick;
}

unsigned int nb_seconds_from_ticks(__u32 ticks)
{
	return ticks * tick_ns() / ns_per_second;
}
