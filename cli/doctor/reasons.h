/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_DOCTOR_REASONS_H
#define NATBRIDGE_CLI_DOCTOR_REASONS_H

/* What drops and other counted events say, and what to do, in the words of doc/COUNTERS.md. */

#include "doctor.h"

struct nb_reason {
	unsigned int counter; /* enum nb_counter */
	enum nb_severity severity;
	const char *why, *fix;
};

/* Ended by one whose why is NULL. */
extern const struct nb_reason nb_reasons[];

/* That of a counter; NULL: there is nothing to say of it. */
const struct nb_reason *nb_reason_of(unsigned int counter);

#endif
