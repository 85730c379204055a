// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/conntrack.h>

/* The programs read jiffies; the kernel starts them five minutes before they wrap (INITIAL_JIFFIES,
 * linux/jiffies.h). */
enum { JIFFIES_BEFORE_WRAP_SECONDS = 300 };

static const unsigned long long ns_per_second = 1000000000ULL;

/* Nanoseconds of a jiffy: the resolution of the clock that only moves with it. */
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

__u32 nb_tick_now(void)
{
	unsigned long long hz = ns_per_second / jiffy_ns();
	__u64 jiffies = (__u32)(-JIFFIES_BEFORE_WRAP_SECONDS * (long long)hz);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	jiffies += (now.tv_sec * ns_per_second + now.tv_nsec) / jiffy_ns();
	return jiffies >> nb_tick_shift();
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
