// SPDX-License-Identifier: GPL-2.0-or-later
/* Mode assist: what is remembered of connections between pods. */
#include "env.h"

#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "suites.h"

int suite_flow(void)
{
	return 0;
}
