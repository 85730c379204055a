// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which frontends a Service has for clients outside of the cluster: A21, A22. Each text is read as objects
 * that come one by one and as a whole, and once more without clients outside: what pods meet must not depend
 * on them.
 */
#include "lib/json/json.h"
#include "lib/json/yaml.h"
#include "lib/kube/join.h"
#include "lib/kube/kind.h"
#include "lib/kube/table.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "kube_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STATUS_OF(name, spec, ingress)                                                                       \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: default}\nspec: " spec         \
	"\nstatus: {loadBalancer: {ingress: " ingress "}}\n---\n"
#define HERE(addr)  "{addresses: [" addr "], nodeName: here}"
#define THERE(addr) "{addresses: [" addr "], nodeName: there}"
#define ENDS(state) ", nodeName: " state ", conditions: {ready: false, serving: true, terminating: true}}"
#define AT(list)    SLICE("a", "IPv4", "[{port: 8080}]", "[" list "]")
#define NEAR        HERE("10.244.0.2")
#define FAR         THERE("10.244.1.2")
#define NODE_PORT(more)                                                                                      \
	SERVICE("a", "{type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]" more "}")
#define CLUSTER NODE_PORT(", externalTrafficPolicy: Cluster")
#define LOCAL   NODE_PORT(", externalTrafficPolicy: Local")

/* The node is "here", at 192.168.0.1 and fd00:a::1, in zone a; 192.0.2.99 is left to it. */
static const struct kube_row rows[] = {
	/* policy Cluster: the same on both sides */
	{ CLUSTER AT(NEAR ", " FAR),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node 10.244.0.2:8080 10.244.1.2:8080\n",
	  "" },
	{ CLUSTER,
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.168.0.1:30080/TCP node\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node\n",
	  "" },
	/* ... also where pods get local endpoints of the ClusterIP */
	{ NODE_PORT(", internalTrafficPolicy: Local") AT(FAR),
	  "default/a - 10.96.0.1:80/TCP elsewhere !10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node 10.244.1.2:8080\n",
	  "" },
	/* ... by topology */
	{ CLUSTER AT("{addresses: [10.244.0.2], hints: {forZones: [{name: a}]}}, "
		     "{addresses: [10.244.1.2], hints: {forZones: [{name: b}]}}"),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 !10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.0.2:8080 !10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node 10.244.0.2:8080 !10.244.1.2:8080\n",
	  "" },
	/* policy Local: ready endpoints here, which topology does not narrow */
	{ LOCAL AT(NEAR ", " FAR),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node 10.244.0.2:8080 !10.244.1.2:8080\n",
	  "" },
	{ LOCAL AT("{addresses: [10.244.0.2], nodeName: here, hints: {forZones: [{name: b}]}}, "
		   "{addresses: [10.244.1.2], nodeName: there, hints: {forZones: [{name: a}]}}"),
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080 !10.244.0.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.1.2:8080 !10.244.0.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node 10.244.0.2:8080 !10.244.1.2:8080\n",
	  "" },
	/* ... none is ready here: those that serve and terminate here, though others are ready elsewhere */
	{ LOCAL AT("{addresses: [10.244.0.2]" ENDS("here") ", " FAR),
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080 !10.244.0.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.1.2:8080 !10.244.0.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node 10.244.0.2:8080 !10.244.1.2:8080\n",
	  "" },
	/* ... none here, some elsewhere, ready or terminating */
	{ LOCAL AT(FAR),
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node elsewhere !10.244.1.2:8080\n",
	  "" },
	{ LOCAL AT("{addresses: [10.244.1.2]" ENDS("there")),
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node elsewhere !10.244.1.2:8080\n",
	  "" },
	/* ... none at all: no endpoint, or none that could be used */
	{ LOCAL,
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.168.0.1:30080/TCP node\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node\n",
	  "" },
	{ LOCAL AT("{addresses: [10.244.0.2], nodeName: here, conditions: {ready: false, serving: false}}"),
	  "default/a - 10.96.0.1:80/TCP !10.244.0.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node !10.244.0.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node !10.244.0.2:8080\n",
	  "" },
	/* both policies Local, affinity */
	{ NODE_PORT(", externalTrafficPolicy: Local, internalTrafficPolicy: Local, sessionAffinity: ClientIP")
		  AT(FAR),
	  "default/a - 10.96.0.1:80/TCP ~10800 elsewhere !10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP ~10800 node 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) ~10800 node elsewhere !10.244.1.2:8080\n",
	  "" },
	/* NodePorts of both families, by their own endpoints */
	{ SERVICE("a",
		  "{type: NodePort, clusterIPs: [10.96.0.1, 'fd00:96::1'], externalTrafficPolicy: Local, "
		  "ports: [{port: 80, nodePort: 30080}]}")
		  SLICE_OF("a", "4", "IPv4", "[{port: 8080}]", "[" FAR "]")
			  SLICE_OF("a", "6", "IPv6", "[{port: 8080}]", "[" HERE("'fd00:1::2'") "]"),
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080\n"
	  "default/a - [fd00:96::1]:80/TCP [fd00:1::2]:8080\n"
	  "default/a - 192.168.0.1:30080/TCP node 10.244.1.2:8080\n"
	  "default/a - 192.168.0.1:30080/TCP (outside) node elsewhere !10.244.1.2:8080\n"
	  "default/a - [fd00:a::1]:30080/TCP node [fd00:1::2]:8080\n"
	  "default/a - [fd00:a::1]:30080/TCP (outside) node [fd00:1::2]:8080\n",
	  "" },
	/* a ClusterIP alone is met inside alone, whatever the policy says */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, externalTrafficPolicy: Local, ports: [{port: 80}]}") AT(FAR),
	  "default/a - 10.96.0.1:80/TCP 10.244.1.2:8080\n", "" },
	/* load balancers with their ranges, external addresses */
	{ STATUS_OF("a",
		    "{type: LoadBalancer, clusterIP: 10.96.0.1, externalTrafficPolicy: Local, "
		    "externalIPs: [192.0.2.9], ports: [{port: 80}], "
		    "loadBalancerSourceRanges: [203.0.113.0/24, '2001:db8::/32']}",
		    "[{ip: 192.0.2.1}, {ip: 192.0.2.2, ipMode: Proxy}]") AT(NEAR ", " FAR),
	  "default/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.0.2.1:80/TCP balancer <203.0.113.0/24 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.0.2.1:80/TCP (outside) balancer <203.0.113.0/24 10.244.0.2:8080 "
	  "!10.244.1.2:8080\n"
	  "default/a - 192.0.2.9:80/TCP external 10.244.0.2:8080 10.244.1.2:8080\n"
	  "default/a - 192.0.2.9:80/TCP (outside) external 10.244.0.2:8080 !10.244.1.2:8080\n",
	  "" },
	/* one address by several kinds: the same kind on both sides; a ClusterIP's is met inside alone */
	{ STATUS_OF("a",
		    "{type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 80}], "
		    "externalIPs: "
		    "[192.0.2.1, 192.168.0.1, 10.96.0.1], loadBalancerSourceRanges: [203.0.113.0/24]}",
		    "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP balancer <203.0.113.0/24\n"
	  "default/a - 192.0.2.1:80/TCP (outside) balancer <203.0.113.0/24\n"
	  "default/a - 192.168.0.1:80/TCP external\n"
	  "default/a - 192.168.0.1:80/TCP (outside) external\n",
	  "" },
	/* an address that is left to the node */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [192.0.2.99, 192.0.2.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP external\n"
	  "default/a - 192.0.2.1:80/TCP (outside) external\n",
	  "" },
	/* two ports, by protocol */
	{ SERVICE("a", "{clusterIP: 10.96.0.1, externalIPs: [192.0.2.1], ports: [{port: 53, name: t}, "
		       "{port: 53, protocol: UDP, name: u}]}"),
	  "default/a t 10.96.0.1:53/TCP\ndefault/a t 192.0.2.1:53/TCP external\n"
	  "default/a t 192.0.2.1:53/TCP (outside) external\n"
	  "default/a u 10.96.0.1:53/UDP\ndefault/a u 192.0.2.1:53/UDP external\n"
	  "default/a u 192.0.2.1:53/UDP (outside) external\n",
	  "" },
	/* two Services with one address and port: one has both sides, and the other one is noted once */
	{ SERVICE("b", "{clusterIP: 10.96.0.2, ports: [{port: 80}], externalIPs: [192.0.2.1]}")
		  SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [192.0.2.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/a - 192.0.2.1:80/TCP external\n"
	  "default/a - 192.0.2.1:80/TCP (outside) external\ndefault/b - 10.96.0.2:80/TCP\n",
	  "Service default/b: left out 192.0.2.1:80/TCP, which belongs to Service default/a\n" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [192.0.2.1]}")
		  STATUS_OF("b", "{clusterIP: 10.96.0.2, ports: [{port: 80}]}", "[{ip: 192.0.2.1}]"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/b - 10.96.0.2:80/TCP\ndefault/b - 192.0.2.1:80/TCP "
	  "balancer\n"
	  "default/b - 192.0.2.1:80/TCP (outside) balancer\n",
	  "Service default/a: left out 192.0.2.1:80/TCP, which belongs to Service default/b\n" },
	{ SERVICE("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}], externalIPs: [10.96.0.2]}")
		  SERVICE("b", "{clusterIP: 10.96.0.2, ports: [{port: 80}]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/b - 10.96.0.2:80/TCP\n",
	  "Service default/a: left out 10.96.0.2:80/TCP, which belongs to Service default/b\n" },
	{ NODE_PORT("") SERVICE("b", "{clusterIP: 10.96.0.2, ports: [{port: 30080}], "
				     "externalIPs: [192.168.0.1]}"),
	  "default/a - 10.96.0.1:80/TCP\ndefault/b - 10.96.0.2:30080/TCP\n"
	  "default/b - 192.168.0.1:30080/TCP external\n"
	  "default/b - 192.168.0.1:30080/TCP (outside) external\n",
	  "Service default/a: left out 192.168.0.1:30080/TCP, which belongs to Service default/b\n" },
	/* three, the first two of one kind */
	{ SERVICE("b", "{clusterIP: 10.96.0.2, ports: [{port: 80}], externalIPs: [192.0.2.1]}")
		  SERVICE("c", "{clusterIP: 10.96.0.3, ports: [{port: 80}], externalIPs: [192.0.2.1]}")
			  STATUS_OF("d", "{clusterIP: 10.96.0.4, ports: [{port: 80}]}", "[{ip: 192.0.2.1}]"),
	  "default/b - 10.96.0.2:80/TCP\ndefault/c - 10.96.0.3:80/TCP\ndefault/d - 10.96.0.4:80/TCP\n"
	  "default/d - 192.0.2.1:80/TCP balancer\ndefault/d - 192.0.2.1:80/TCP (outside) balancer\n",
	  "Service default/b: left out 192.0.2.1:80/TCP, which belongs to Service default/d\n"
	  "Service default/c: left out 192.0.2.1:80/TCP, which belongs to Service default/d\n" },
};

static const struct nb_json_limits limits = { .depth = 32, .values = 10000 };

/* The node's addresses and what the view leaves to it. */
static struct nb_addr addrs[3];

static struct nb_kube_view make_view(bool outside)
{
	assert_true(nb_addr_parse("192.168.0.1", &addrs[0]));
	assert_true(nb_addr_parse("fd00:a::1", &addrs[1]));
	assert_true(nb_addr_parse("192.0.2.99", &addrs[2]));
	return (struct nb_kube_view){ .has_node = true,
				      .outside = outside,
				      .zone = "a",
				      .node_addrs = addrs,
				      .n_node_addrs = 2,
				      .excluded = addrs + 2,
				      .n_excluded = 1 };
}

static void check(const struct nb_services *services, const char *expected, const char *notes,
		  const char *expected_notes)
{
	char text[4096];

	kube_format(services, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_string_equal(notes, expected_notes);
}

/* Objects one by one, as an agent gets them. */
static void table_make(const struct nb_json *documents, const struct nb_kube_view *view,
		       const struct nb_kube_note *note, struct nb_kube_batch *batch)
{
	nb_cleanup(nb_kube_table_free) struct nb_kube_table *table = nb_kube_table_new(note, "here", NULL);
	struct nb_error err = { 0 };

	assert_non_null(table);
	nb_kube_table_set_view(table, view);
	for (struct nb_json at = nb_json_first(documents); at.node; at = nb_json_next(&at)) {
		enum nb_kube_kind kind;

		assert_int_equal(nb_kube_kind_read(&at, NULL, &kind, &err), 0);
		if (nb_kube_table_put(table, kind, &at, &err))
			fail_msg("%s", err.msg);
	}
	assert_int_equal(nb_kube_table_take(table, 100, batch, &err), 0);
}

static void objects_free(struct nb_kube_objects *objects)
{
	for (size_t i = 0; i < objects->services.n; i++)
		nb_kube_service_free(&objects->services.items[i]);
	for (size_t i = 0; i < objects->slices.n; i++)
		nb_kube_slice_free(&objects->slices.items[i]);
	nb_vec_free(&objects->services);
	nb_vec_free(&objects->slices);
}

static void add_object(struct nb_kube_objects *objects, const struct nb_json *at, struct nb_kube_notes *notes)
{
	const struct nb_json self = nb_json_root(at->node);
	struct nb_kube_service service = { 0 };
	struct nb_kube_slice slice = { 0 };
	struct nb_kube_meta meta = { 0 };
	enum nb_kube_kind kind;

	assert_int_equal(nb_kube_kind_read(&self, NULL, &kind, NULL), 0);
	assert_int_equal(nb_kube_read_meta(&self, kind == NB_KUBE_SLICE, &meta, NULL), 0);
	if (kind == NB_KUBE_SLICE) {
		slice.name = strdup(meta.full);
		assert_int_equal(nb_kube_slice_read(&self, &meta, notes, &slice, NULL), 0);
		assert_int_equal(nb_vec_push(&objects->slices, slice, NULL), 0);
		return;
	}
	snprintf(service.name, sizeof(service.name), "%.127s", meta.full);
	assert_int_equal(nb_kube_service_read(&self, &meta, notes, &service, NULL), 0);
	assert_int_equal(nb_vec_push(&objects->services, service, NULL), 0);
}

/* All objects at once. */
static void join(const struct nb_json *documents, const struct nb_kube_view *view, char *text,
		 struct nb_services *services)
{
	nb_cleanup(objects_free) struct nb_kube_objects objects = { .view = *view };
	struct nb_kube_notes notes = { .note = { kube_add_note, text }, .node = "here" };
	struct nb_error err = { 0 };

	for (struct nb_json at = nb_json_first(documents); at.node; at = nb_json_next(&at))
		add_object(&objects, &at, &notes);
	memset(notes.counts, 0, sizeof(notes.counts));
	*text = '\0';
	if (nb_kube_join(&objects, &notes, services, &err))
		fail_msg("%s", err.msg);
}

/* What pods meet, with and without clients outside. */
static void check_inside(const struct nb_json *documents, const struct nb_services *all)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };
	nb_cleanup(nb_services_view_free) struct nb_services inside = { 0 };
	const struct nb_kube_view view = make_view(false);
	char text[4096];

	table_make(documents, &view, NULL, &batch);
	kube_format(&batch.services, text, sizeof(text));
	assert_int_equal(nb_services_view(all, false, &inside, NULL), 0);
	check(&inside, text, "", "");
}

static void check_row(const struct kube_row *row)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch batch = { 0 };
	nb_cleanup(nb_services_free) struct nb_services joined = { 0 };
	const struct nb_kube_view view = make_view(true);
	char notes[KUBE_NOTES_MAX] = "";
	const struct nb_kube_note note = { kube_add_note, notes };
	struct nb_error err = { 0 };
	struct nb_json documents;

	if (nb_yaml_parse(row->text, strlen(row->text), &limits, &json, &err))
		fail_msg("%s", err.msg);
	documents = nb_json_root(json);
	table_make(&documents, &view, &note, &batch);
	check(&batch.services, row->services, notes, row->notes);
	check_inside(&documents, &batch.services);
	join(&documents, &view, notes, &joined);
	check(&joined, row->services, notes, row->notes);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("row %zu\n", i);
		check_row(&rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
