// SPDX-License-Identifier: GPL-2.0-or-later
/* What checks call: to look up what was read, and to report. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/addr.h"

#include "checks.h"
#include "doctor.h"

const char *nb_doctor_text(struct nb_doctor *doctor, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0 || nb_vec_push(&doctor->texts, text, NULL)) {
		if (len >= 0)
			free(text);
		doctor->nomem = true;
		return "";
	}
	return text;
}

const struct nb_link *nb_doctor_link(const struct nb_doctor *doctor, unsigned int ifindex)
{
	for (unsigned int i = 0; i < doctor->n_links; i++)
		if (doctor->links[i].index == ifindex)
			return &doctor->links[i];
	return NULL;
}

const char *nb_doctor_link_name(struct nb_doctor *doctor, unsigned int ifindex)
{
	const struct nb_link *link = nb_doctor_link(doctor, ifindex);

	return link ? link->name : nb_doctor_text(doctor, "ifindex %u", ifindex);
}

bool nb_doctor_has_gateway(const struct nb_doctor_network *network, int family)
{
	for (size_t i = 0; i < network->endpoints.n; i++) {
		const struct nb_endpoint_info *info = &network->endpoints.items[i];

		if (nb_addr_family(&info->addr) == family && !nb_addr_is_zero(&info->endpoint.gateway))
			return true;
	}
	return false;
}

/* What concerns several networks is said once. */
static bool is_known(const struct nb_doctor *doctor, const struct nb_finding *finding)
{
	for (size_t i = 0; i < doctor->findings.n; i++) {
		const struct nb_finding *known = &doctor->findings.items[i];

		if (known->check == doctor->check->id && !strcmp(known->subject, finding->subject) &&
		    !strcmp(known->what, finding->what))
			return true;
	}
	return false;
}

void nb_found_other(struct nb_doctor *doctor, const struct nb_finding *finding)
{
	struct nb_finding found = *finding;

	if (is_known(doctor, finding))
		return;

	found.check = doctor->check->id;
	doctor->nomem |= nb_vec_push(&doctor->findings, found, NULL) != 0;
}

void nb_found(struct nb_doctor *doctor, const char *subject, const char *what, const char *fix)
{
	nb_found_other(doctor, &(struct nb_finding){ .severity = doctor->check->severity,
						     .subject = subject,
						     .what = what,
						     .why = doctor->check->why,
						     .fix = fix });
}

void nb_found_link(struct nb_doctor *doctor, const struct nb_link *link, const char *what, const char *fix)
{
	nb_found_other(doctor, &(struct nb_finding){ .severity = doctor->check->severity,
						     .subject = link->name,
						     .index = link->index,
						     .what = what,
						     .why = doctor->check->why,
						     .fix = fix });
}
