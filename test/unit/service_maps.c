// SPDX-License-Identifier: GPL-2.0-or-later
/* Creates the maps, parses texts, and stands in front of libbpf's writes to count and cut them short. */
#include "lib/maps/layout.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "service_maps.h"

#include <bpf/bpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static long writes_left = -1;

void test_end_at_write(long n)
{
	writes_left = n;
}

static void count_write(void)
{
	if (writes_left == 0)
		_exit(42);
	if (writes_left > 0)
		writes_left--;
}

/* Stands in front of libbpf's: the same, element by element. */
int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	static int (*real)(int, const void *, const void *, __u64);

	if (!real)
		real = (int (*)(int, const void *, const void *, __u64))dlsym(RTLD_NEXT,
									      "bpf_map_update_elem");
	count_write();
	return real(fd, key, value, flags);
}

static size_t key_size(int fd, size_t *value_size)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	if (value_size)
		*value_size = info.value_size;
	return info.key_size;
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	size_t value_size, size = key_size(fd, &value_size);
	__u32 n = *count;

	(void)opts;
	for (*count = 0; *count < n; ++*count) {
		if (bpf_map_update_elem(fd, (const char *)keys + *count * size,
					(const char *)values + *count * value_size, BPF_ANY))
			return -errno;
	}
	return 0;
}

int bpf_map_delete_batch(int fd, const void *keys, __u32 *count, const struct bpf_map_batch_opts *opts)
{
	size_t size = key_size(fd, NULL);
	__u32 n = *count;

	(void)opts;
	for (*count = 0; *count < n; ++*count) {
		count_write();
		if (bpf_map_delete_elem(fd, (const char *)keys + *count * size))
			return -errno;
	}
	return 0;
}

bool test_maps_make(struct nb_datapath *dp, const struct nb_test_sizes *sizes)
{
	LIBBPF_OPTS(bpf_map_create_opts, sparse, .map_flags = BPF_F_NO_PREALLOC);
	const struct {
		enum nb_map map;
		enum bpf_map_type type;
		size_t key, value;
		__u32 max;
	} rows[] = {
		{ NB_MAP_FRONTENDS, BPF_MAP_TYPE_HASH, sizeof(struct nb_frontend_key),
		  sizeof(struct nb_frontend), sizes->frontends },
		{ NB_MAP_BACKENDS, BPF_MAP_TYPE_HASH, sizeof(struct nb_backend_key),
		  sizeof(struct nb_backend), sizes->backends },
		{ NB_MAP_SERVICES, BPF_MAP_TYPE_HASH, sizeof(struct nb_service_key),
		  sizeof(struct nb_service_entry), sizes->services },
		{ NB_MAP_SOURCE_RANGES, BPF_MAP_TYPE_LPM_TRIE, sizeof(struct nb_source_range), sizeof(__u32),
		  NB_SOURCE_RANGES },
		{ NB_MAP_SERVICE_IDS, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(__u32),
		  NB_MAX_SERVICE_PORTS },
		{ NB_MAP_SETTINGS, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct nb_settings), 1 },
	};

	struct nb_settings settings = { 0 };

	*dp = (struct nb_datapath)NB_DATAPATH_INIT;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = bpf_map_create(rows[i].type, NULL, rows[i].key, rows[i].value, rows[i].max,
					rows[i].type == BPF_MAP_TYPE_ARRAY ? NULL : &sparse);

		if (fd < 0)
			return false;
		dp->map_fd[rows[i].map] = fd;
	}
	settings.vips[0] = settings.vips[1] = nb_prefix_none();
	return !nb_settings_write(dp, &settings, NULL);
}

static struct nb_frontend_key parse_frontend(const char *text)
{
	struct nb_frontend_key key = { 0 };
	char addr_port[64];
	const char *slash = strchr(text, '/');

	assert_non_null(slash);
	snprintf(addr_port, sizeof(addr_port), "%.*s", (int)(slash - text), text);
	assert_true(nb_addr_port_parse(addr_port, &key.addr, &key.port));
	key.proto = strncmp(slash, "/UDP", 4) ? IPPROTO_TCP : IPPROTO_UDP;
	key.side = strstr(slash, "@outside") ? NB_SIDE_OUTSIDE : NB_SIDE_INSIDE;
	return key;
}

static void parse_line(struct nb_services *services, char *line, enum nb_service_origin origin)
{
	struct nb_service *service = nb_services_add(services, NULL);
	char *rest = line, *word;

	assert_non_null(service);
	snprintf(service->name, sizeof(service->name), "%s", strsep(&rest, " "));
	word = strsep(&rest, " ");
	snprintf(service->port_name, sizeof(service->port_name), "%s", strcmp(word, "-") ? word : "");
	service->key = parse_frontend(strsep(&rest, " "));
	service->kind = service->key.side == NB_SIDE_OUTSIDE ? NB_EXTERNAL_IP : NB_CLUSTER_IP;
	service->origin = origin;
	while ((word = strsep(&rest, " "))) {
		struct nb_service_backend backend = { .draining = word[0] == '!' };

		if (word[0] == '~') {
			service->affinity = strtoul(word + 1, NULL, 10);
			continue;
		}
		if (!strcmp(word, "external")) {
			service->kind = NB_EXTERNAL_IP;
			continue;
		}
		if (!strcmp(word, "elsewhere")) {
			service->local = true;
			continue;
		}
		assert_true(nb_addr_port_parse(word + backend.draining, &backend.addr, &backend.port));
		assert_int_equal(nb_service_add_backend(service, &backend, NULL), 0);
	}
}

struct nb_services test_services(const char *text, enum nb_service_origin origin)
{
	struct nb_services services = { 0 };
	struct nb_error err = { 0 };
	char *copy = strdup(text), *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			parse_line(&services, line, origin);
	}
	free(copy);
	if (nb_services_normalize(&services, &err))
		fail_msg("%s", err.msg);
	return services;
}

static void expect_same_service(const struct nb_service *is, const struct nb_service *wanted)
{
	assert_string_equal(is->name, wanted->name);
	assert_string_equal(is->port_name, wanted->port_name);
	assert_memory_equal(&is->key, &wanted->key, sizeof(is->key));
	assert_int_equal(is->kind, wanted->kind);
	assert_int_equal(is->local, wanted->local);
	assert_int_equal(is->affinity, wanted->affinity);
	assert_int_equal(is->origin, wanted->origin);
	assert_int_equal(is->n_backends, wanted->n_backends);
	for (size_t i = 0; i < is->n_backends; i++) {
		assert_memory_equal(&is->backends[i].addr, &wanted->backends[i].addr, sizeof(struct nb_addr));
		assert_int_equal(is->backends[i].port, wanted->backends[i].port);
		assert_int_equal(is->backends[i].draining, wanted->backends[i].draining);
	}
}

static const struct nb_service *find_service(const struct nb_services *all, const struct nb_frontend_key *key)
{
	for (size_t i = 0; i < all->n; i++) {
		if (!memcmp(&all->items[i].key, key, sizeof(*key)))
			return &all->items[i];
	}
	return NULL;
}

/* In how many sets of that side the backend stands, or how many ClusterIPs have the address. */
static __u32 count_refs(const struct nb_services *all, const struct nb_frontend_key *key)
{
	__u32 refs = 0;

	for (size_t i = 0; i < all->n; i++) {
		refs += !key->proto && !key->side && all->items[i].kind == NB_CLUSTER_IP &&
			nb_addr_equal(&all->items[i].key.addr, &key->addr);
		for (size_t k = 0; k < all->items[i].n_backends; k++)
			refs += all->items[i].key.proto == key->proto &&
				all->items[i].key.side == key->side &&
				all->items[i].backends[k].port == key->port &&
				nb_addr_equal(&all->items[i].backends[k].addr, &key->addr);
	}
	return refs;
}

static __u32 service_flags(const struct nb_service *service)
{
	if (!service)
		return 0;
	return NB_FRONTEND_SERVICE | service->kind << NB_FRONTEND_KIND_SHIFT |
	       (service->local ? NB_FRONTEND_LOCAL : 0);
}

/* One element of frontends[] against the model; returns its service index or 0. */
static __u32 expect_element(const struct nb_datapath *dp, const struct nb_services *all,
			    const struct nb_frontend_key *key)
{
	const struct nb_service *service = find_service(all, key);
	__u32 refs = count_refs(all, key);
	struct nb_frontend element;

	assert_int_equal(bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], key, &element), 0);
	assert_true(service || refs);
	assert_int_equal(element.flags, service_flags(service) | (!refs        ? 0
								  : key->proto ? NB_FRONTEND_BACKEND
									       : NB_FRONTEND_VIP));
	assert_int_equal(element.refs, refs);
	if (!service)
		return 0;
	assert_int_equal(element.count, service->n_eligible);
	assert_int_equal(element.known, service->n_backends);
	assert_true((__s32)(element.epoch - test_settings(dp).epoch) <= 0);
	assert_int_equal(element.affinity, service->affinity);
	assert_in_range(element.service, 1, NB_MAX_SERVICE_PORTS - 1);
	for (struct nb_backend_key at = { element.set, 0 }; at.index < element.known; at.index++) {
		struct nb_backend backend;

		assert_int_equal(bpf_map_lookup_elem(dp->map_fd[NB_MAP_BACKENDS], &at, &backend), 0);
		assert_memory_equal(&backend.addr, &service->backends[at.index].addr, sizeof(backend.addr));
		assert_int_equal(backend.port, service->backends[at.index].port);
		assert_int_equal(backend.flags, 0);
	}
	return element.service;
}

static bool in_bounds(const struct nb_settings *settings, const struct nb_addr *vip)
{
	const struct nb_prefix *bounds = &settings->vips[nb_addr_is_v4(vip)];
	bool inside = true;

	for (int w = 0; w < 4; w++)
		inside = inside && (vip->w[w] & bounds->mask.w[w]) == bounds->value.w[w];
	return inside;
}

static size_t count_elements(const struct nb_datapath *dp, enum nb_map map)
{
	unsigned char key[sizeof(struct nb_service_key)];
	size_t n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(dp->map_fd[map], at, key); at = key)
		n++;
	return n;
}

static bool id_is_used(const struct nb_datapath *dp, __u32 service)
{
	__u32 used;

	assert_int_equal(bpf_map_lookup_elem(dp->map_fd[NB_MAP_SERVICE_IDS], &service, &used), 0);
	return used;
}

void test_expect_tables(const struct nb_datapath *dp, const struct nb_services *expected)
{
	static unsigned char used[NB_MAX_SERVICE_PORTS];
	struct nb_services read = { 0 };
	struct nb_error err = { 0 };
	struct nb_frontend_key key;
	size_t n_frontends = 0, n_backends = 0;

	if (nb_service_read(dp, &read, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(read.n, expected->n);
	for (size_t i = 0; i < read.n; i++)
		expect_same_service(&read.items[i], &expected->items[i]);
	nb_services_free(&read);

	memset(used, 0, sizeof(used));
	for (void *at = NULL; !bpf_map_get_next_key(dp->map_fd[NB_MAP_FRONTENDS], at, &key); at = &key) {
		__u32 service = expect_element(dp, expected, &key);

		n_frontends += service != 0;
		used[service] = 1;
	}
	assert_int_equal(n_frontends, expected->n);
	assert_string_equal(test_torn(dp), "");
	for (size_t i = 0; i < expected->n; i++)
		n_backends += expected->items[i].n_backends;
	assert_int_equal(count_elements(dp, NB_MAP_BACKENDS), n_backends);
	assert_int_equal(count_elements(dp, NB_MAP_SERVICES), expected->n + 1);
	for (__u32 i = 1; i < NB_MAX_SERVICE_PORTS; i += i < 64 ? 1 : 1021)
		assert_int_equal(id_is_used(dp, i), used[i]);
}

static bool has_name(const struct nb_datapath *dp, const struct nb_frontend_key *frontend)
{
	struct nb_service_entry entry;
	struct nb_service_key key;

	for (void *at = NULL; !bpf_map_get_next_key(dp->map_fd[NB_MAP_SERVICES], at, &key); at = &key) {
		if (key.name[0] && !bpf_map_lookup_elem(dp->map_fd[NB_MAP_SERVICES], &key, &entry) &&
		    !memcmp(&entry.frontend, frontend, sizeof(*frontend)))
			return true;
	}
	return false;
}

/* NULL, or what is wrong with a frontend's set. */
static const char *torn_set(const struct nb_datapath *dp, const struct nb_frontend *element,
			    const struct nb_frontend_key *frontend)
{
	for (struct nb_backend_key at = { element->set, 0 }; at.index < element->known; at.index++) {
		struct nb_frontend_key key = *frontend;
		struct nb_backend backend;
		struct nb_frontend mark;

		if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_BACKENDS], &at, &backend))
			return "a set is not whole";
		key.addr = backend.addr;
		key.port = backend.port;
		if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &key, &mark) ||
		    !(mark.flags & NB_FRONTEND_BACKEND))
			return "a backend is not marked";
	}
	return NULL;
}

/* NULL, or what is wrong with the address of a ClusterIP. */
static const char *torn_vip(const struct nb_datapath *dp, const struct nb_addr *addr)
{
	const struct nb_frontend_key vip = { .addr = *addr };
	struct nb_settings settings = test_settings(dp);
	struct nb_frontend mark;

	if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &vip, &mark) || !(mark.flags & NB_FRONTEND_VIP))
		return "a VIP is not marked";
	return in_bounds(&settings, addr) ? NULL : "a VIP lies outside of the bounds";
}

const char *test_torn(const struct nb_datapath *dp)
{
	struct nb_frontend_key key;
	struct nb_frontend element;
	const char *torn = NULL;

	for (void *at = NULL; !torn && !bpf_map_get_next_key(dp->map_fd[NB_MAP_FRONTENDS], at, &key);
	     at = &key) {
		if (bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &key, &element) ||
		    !(element.flags & NB_FRONTEND_SERVICE))
			continue;
		if (!(element.flags >> NB_FRONTEND_KIND_SHIFT & 3))
			torn = torn_vip(dp, &key.addr);
		if (!torn)
			torn = has_name(dp, &key) ? torn_set(dp, &element, &key) : "a frontend has no name";
	}
	return torn ? torn : "";
}

struct nb_frontend test_frontend(const struct nb_datapath *dp, const char *frontend)
{
	struct nb_frontend_key key = parse_frontend(frontend);
	struct nb_frontend element = { 0 };

	bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &key, &element);
	return element;
}

struct nb_frontend test_vip(const struct nb_datapath *dp, const char *address)
{
	struct nb_frontend_key key = { 0 };
	struct nb_frontend element = { 0 };

	assert_true(nb_addr_parse(address, &key.addr));
	bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &key, &element);
	return element;
}

struct nb_settings test_settings(const struct nb_datapath *dp)
{
	struct nb_settings settings;

	assert_int_equal(nb_settings_read(dp, &settings, NULL), 0);
	return settings;
}
