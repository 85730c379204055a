/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_TEXTS_H
#define NATBRIDGE_CLI_TEXTS_H

/* Values as people read them. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/addr.h"

#include "columns.h"

enum { NB_DURATION_STRLEN = 24, NB_END_STRLEN = NB_ADDR_STRLEN + 8 };

/* "45s", "1h5m", "4d23h" into buf, which is returned: the two largest units. */
const char *nb_duration_format(unsigned int seconds, char buf[NB_DURATION_STRLEN]);

/* "10.0.0.2:80", "[fd00::2]:80" into buf, which is returned; without a port, which is 0, the address alone.
 */
const char *nb_end_format(const struct nb_addr *addr, __be16 port, char buf[NB_END_STRLEN]);

/* The colours of the states of ports: yellow for one that is cut off, red for one that has no programs. */
extern const struct nb_coloured nb_port_colours[];

/* Whether standard output is a terminal: then people read it, and no script. */
bool nb_is_for_people(void);

#endif
