// SPDX-License-Identifier: GPL-2.0-or-later
/* Pauses that double. */
#include "backoff.h"

#include <sys/random.h>

#include "loop.h"

unsigned int nb_random_up_to(unsigned int max)
{
	unsigned int number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (unsigned int)nb_loop_now();
	return number % (max + 1);
}

bool nb_backoff_is_recent(const struct nb_backoff *backoff)
{
	return backoff->pause_ms && nb_loop_now() - backoff->failed_ms < backoff->healthy_ms;
}

int64_t nb_backoff_next(struct nb_backoff *backoff)
{
	const bool recent = nb_backoff_is_recent(backoff);

	backoff->failed_ms = nb_loop_now();
	backoff->pause_ms = recent ? 2 * backoff->pause_ms : backoff->first_ms;
	if (backoff->pause_ms > backoff->max_ms)
		backoff->pause_ms = backoff->max_ms;
	return (int64_t)backoff->pause_ms + nb_random_up_to(backoff->pause_ms);
}
