// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated text to the reader of Kubernetes objects, with libFuzzer ("make fuzz"). No crash,
 * no leak, no undefined behaviour; each failure has a message; each service has a name and a port.
 */
#include "lib/kube/kube.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(const char *text, void *arg)
{
	(void)arg;
	if (!*text)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nb_kube_note note = { .fn = hear };
	nb_cleanup(nb_kube_input_free) struct nb_kube_input input = { 0 };
	nb_cleanup(nb_kube_free) struct nb_kube *kube = NULL;
	struct nb_error err = { 0 };
	int rc;

	kube = nb_kube_new(&note, NULL, &err);
	if (!kube)
		abort();
	rc = nb_kube_read(kube, (const char *)data, size, &err);
	if (!rc)
		rc = nb_kube_finish(kube, &input, &err);
	if (rc && (!*err.msg || !err.code))
		abort();
	for (size_t i = 0; i < input.services.n; i++)
		if (!input.services.items[i].name[0] || !input.services.items[i].key.port)
			abort();
	return 0;
}
