// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of devices, and their programs. */
#include "devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/seal.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "attach.h"

/*
 * What a flag of a device stands for, in the order in which programs come to all devices: a request that is
 * translated finds the one that translates its answer. They go in the other order.
 */
static const struct {
	__u32 flag;
	enum nb_hook hook;
} hooks[] = {
	{ NB_DEVICE_OUT, NB_HOOK_DEVICE_OUT },
	{ NB_DEVICE_IN, NB_HOOK_DEVICE_IN },
	{ NB_DEVICE_NB0, NB_HOOK_NB0_OUT },
};

enum { HOOKS = sizeof(hooks) / sizeof(*hooks) };

void nb_devices_free(struct nb_devices *devices)
{
	nb_vec_free(&devices->all);
}

/* ---- the map ---- */

static int compare(const void *a, const void *b)
{
	const struct nb_device_at *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

struct reading {
	struct nb_devices *devices;
	struct nb_error *err;
};

static int add(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_device *devices = values;
	const __u32 *ifindexes = keys;
	struct reading *reading = arg;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++) {
		const struct nb_device_at at = { ifindexes[i], devices[i] };

		rc = nb_vec_push(&reading->devices->all, at, reading->err);
	}
	return rc;
}

int nb_devices_read(const struct nb_datapath *dp, struct nb_devices *devices, struct nb_error *err)
{
	struct reading reading = { devices, err };
	int rc = nb_map_walk(dp, NB_MAP_DEVICES, add, &reading, err);

	if (!rc && devices->all.n)
		qsort(devices->all.items, devices->all.n, sizeof(*devices->all.items), compare);
	return rc;
}

/* NULL: it is not among them. */
static const struct nb_device_at *find(const struct nb_devices *devices, __u32 ifindex)
{
	const struct nb_device_at key = { .ifindex = ifindex };

	return devices->all.n ? bsearch(&key, devices->all.items, devices->all.n, sizeof(*devices->all.items),
					compare)
			      : NULL;
}

static int write_device(const struct nb_datapath *dp, const struct nb_device_at *at,
			const struct nb_device_at *before, struct nb_error *err)
{
	struct nb_device device = at->device;

	nb_seal(NB_MAP_DEVICES, &at->ifindex, &device);
	if (before && !memcmp(&before->device, &device, sizeof(device)))
		return 0;
	return nb_map_write(dp, NB_MAP_DEVICES, &at->ifindex, &device, 1, NULL, err);
}

/* ---- programs ---- */

/* The first error; a device that is gone is none. */
struct failure {
	struct nb_error *err;
	int first;
};

static void note(struct failure *failure, int rc, const struct nb_error *why)
{
	if (!rc || rc == -ENODEV || failure->first)
		return;
	failure->first = rc;
	if (failure->err)
		*failure->err = *why;
}

/* Attaches the program of one hook where the flags say so. gone: how many devices there are no more. */
static void attach(const struct nb_datapath *dp, size_t hook, const struct nb_devices *devices,
		   struct failure *failure, unsigned int *gone)
{
	for (size_t i = 0; i < devices->all.n; i++) {
		const struct nb_device_at *at = &devices->all.items[i];
		struct nb_error why = { 0 };
		int rc = at->device.flags & hooks[hook].flag
				 ? nb_datapath_attach_device(dp, hooks[hook].hook, at->ifindex, &why)
				 : 0;

		*gone += rc == -ENODEV;
		note(failure, rc, &why);
	}
}

/* Detaches it from where it was, and shall not be. */
static void detach(size_t hook, const struct nb_devices *before, const struct nb_devices *wanted,
		   struct failure *failure)
{
	for (size_t i = 0; i < before->all.n; i++) {
		const struct nb_device_at *at = &before->all.items[i], *now = find(wanted, at->ifindex);
		const __u32 stays = now ? now->device.flags : 0;
		struct nb_error why = { 0 };

		if (at->device.flags & ~stays & hooks[hook].flag)
			note(failure, nb_datapath_detach_device(hooks[hook].hook, at->ifindex, &why), &why);
	}
}

int nb_devices_set(const struct nb_datapath *dp, const struct nb_devices *wanted, struct nb_error *err)
{
	nb_cleanup(nb_devices_free) struct nb_devices before = { 0 };
	struct failure failure = { .err = err };
	struct nb_error why = { 0 };
	unsigned int gone = 0;
	int rc = nb_devices_read(dp, &before, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < wanted->all.n; i++) {
		const struct nb_device_at *at = &wanted->all.items[i];

		note(&failure, write_device(dp, at, find(&before, at->ifindex), &why), &why);
	}
	for (size_t i = 0; i < HOOKS; i++)
		attach(dp, i, wanted, &failure, &gone);
	for (size_t i = HOOKS; i-- > 0;)
		detach(i, &before, wanted, &failure);
	for (size_t i = 0; i < before.all.n && !failure.first; i++) {
		const __u32 ifindex = before.all.items[i].ifindex;

		if (!find(wanted, ifindex))
			note(&failure, nb_map_remove(dp, NB_MAP_DEVICES, &ifindex, 1, NULL, &why), &why);
	}
	return failure.first;
}

int nb_devices_attach(const struct nb_datapath *dp, struct nb_ports *ports, struct nb_error *err)
{
	nb_cleanup(nb_devices_free) struct nb_devices all = { 0 };
	struct failure failure = { .err = err };
	int rc = nb_devices_read(dp, &all, err);

	*ports = (struct nb_ports){ 0 };
	if (rc)
		return rc;
	for (size_t i = 0; i < HOOKS; i++) {
		unsigned int gone = 0;

		attach(dp, i, &all, &failure, &gone);
		if (gone > ports->gone)
			ports->gone = gone;
	}
	ports->attached = all.all.n - ports->gone;
	return failure.first;
}
