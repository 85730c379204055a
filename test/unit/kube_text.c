// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads texts with Kubernetes objects and compares the result with the rows of a test. */
#include "lib/kube/kube.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "kube_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void kube_add_note(const char *text, void *arg)
{
	char *notes = arg;
	size_t used = strlen(notes);

	snprintf(notes + used, KUBE_NOTES_MAX - used, "%s\n", text);
}

void kube_format(const struct nb_services *services, char *text, size_t size)
{
	static const char *const kinds[] = {
		[NB_EXTERNAL_IP] = "external", [NB_LOAD_BALANCER] = "balancer", [NB_NODE_PORT] = "node"
	};
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < services->n; i++) {
		const struct nb_service *service = &services->items[i];
		char frontend[NB_FRONTEND_STRLEN], addr[NB_ADDR_STRLEN];

		assert_int_equal(service->origin, NB_ORIGIN_APPLY);
		used += snprintf(text + used, size - used, "%s %s %s", service->name,
				 service->port_name[0] ? service->port_name : "-",
				 nb_frontend_format(&service->key, frontend));
		if (service->affinity)
			used += snprintf(text + used, size - used, " ~%u", service->affinity);
		if (service->kind != NB_CLUSTER_IP)
			used += snprintf(text + used, size - used, " %s", kinds[service->kind]);
		if (service->local && !service->n_eligible)
			used += snprintf(text + used, size - used, " elsewhere");
		for (size_t k = 0; k < service->n_ranges; k++) {
			const struct nb_source_range *range = &service->ranges[k];

			used += snprintf(text + used, size - used, " <%s/%u",
					 nb_addr_format(&range->addr, addr), nb_source_range_len(range));
		}
		for (size_t k = 0; k < service->n_backends; k++) {
			const struct nb_service_backend *backend = &service->backends[k];

			nb_addr_format(&backend->addr, addr);
			used += snprintf(text + used, size - used,
					 nb_addr_is_v4(&backend->addr) ? " %s%s:%u" : " %s[%s]:%u",
					 backend->draining ? "!" : "", addr, ntohs(backend->port));
		}
		used += snprintf(text + used, size - used, "\n");
	}
}

int kube_read(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = nb_kube_read(kube, copy, len, err);
	free(copy);
	return rc;
}

int kube_parse_for(const char *node, const char *text, size_t len, const struct nb_kube_note *note,
		   struct nb_kube_input *input, struct nb_error *err)
{
	struct nb_kube *kube = nb_kube_new(note, node, err);
	int rc;

	assert_non_null(kube);
	rc = kube_read(kube, text, len, err);
	if (!rc)
		rc = nb_kube_finish(kube, input, err);
	nb_kube_free(&kube);
	return rc;
}

int kube_parse(const char *text, size_t len, const struct nb_kube_note *note, struct nb_kube_input *input,
	       struct nb_error *err)
{
	return kube_parse_for(NULL, text, len, note, input, err);
}

void kube_check_rows(const struct kube_row *rows, size_t n, const char *node)
{
	for (size_t i = 0; i < n; i++) {
		char notes[KUBE_NOTES_MAX] = "", text[4096];
		const struct nb_kube_note note = { kube_add_note, notes };
		struct nb_kube_input input = { 0 };
		struct nb_error err = { 0 };
		int rc = kube_parse_for(node, rows[i].text, strlen(rows[i].text), &note, &input, &err);

		print_message("row %zu\n", i);
		if (!rows[i].services) {
			assert_true(rc < 0);
			assert_string_equal(err.msg, rows[i].notes);
			assert_null(input.services.items);
			continue;
		}
		if (rc)
			fail_msg("%s", err.msg);
		kube_format(&input.services, text, sizeof(text));
		assert_string_equal(text, rows[i].services);
		assert_string_equal(notes, rows[i].notes);
		nb_kube_input_free(&input);
	}
}
