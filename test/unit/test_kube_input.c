// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Texts with Kubernetes objects: lists, streams, encodings, skipped, ignored and refused objects.
 */

#include "lib/kube/kube.h"
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

/* What kubectl get svc,endpointslices -A -o json prints, shortened where nothing is lost. */
static const char kubectl[] =
	"{\n \"apiVersion\": \"v1\",\n \"items\": [\n"
	"{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"annotations\": "
	"{\"prometheus.io/port\": \"9153\"}, \"creationTimestamp\": \"2026-11-01T10:00:00Z\", \"labels\": "
	"{\"k8s-app\": \"kube-dns\"}, \"name\": \"kube-dns\", \"namespace\": \"kube-system\", "
	"\"resourceVersion\": \"270\", \"uid\": \"5a2cf5ed-2c4e-4b9a-9a9e-000000000000\"}, \"spec\": "
	"{\"clusterIP\": \"10.96.0.10\", \"clusterIPs\": [\"10.96.0.10\"], \"internalTrafficPolicy\": "
	"\"Cluster\", \"ipFamilies\": [\"IPv4\"], \"ipFamilyPolicy\": \"SingleStack\", \"ports\": "
	"[{\"name\": "
	"\"dns\", \"port\": 53, \"protocol\": \"UDP\", \"targetPort\": 53}, {\"name\": \"dns-tcp\", "
	"\"port\": 53, "
	"\"protocol\": \"TCP\", \"targetPort\": 53}, {\"name\": \"metrics\", \"port\": 9153, \"protocol\": "
	"\"TCP\", \"targetPort\": 9153}], \"selector\": {\"k8s-app\": \"kube-dns\"}, \"sessionAffinity\": "
	"\"None\", \"type\": \"ClusterIP\"}, \"status\": {\"loadBalancer\": {}}},\n"
	"{\"addressType\": \"IPv4\", \"apiVersion\": \"discovery.k8s.io/v1\", \"endpoints\": "
	"[{\"addresses\": "
	"[\"10.244.0.2\"], \"conditions\": {\"ready\": true, \"serving\": true, \"terminating\": false}, "
	"\"nodeName\": \"n1\", \"targetRef\": {\"kind\": \"Pod\", \"name\": \"coredns-1\", \"namespace\": "
	"\"kube-system\"}}, {\"addresses\": [\"10.244.0.3\"], \"conditions\": {\"ready\": true}}], \"kind\": "
	"\"EndpointSlice\", \"metadata\": {\"labels\": {\"kubernetes.io/service-name\": \"kube-dns\"}, "
	"\"name\": "
	"\"kube-dns-abcde\", \"namespace\": \"kube-system\"}, \"ports\": [{\"name\": \"metrics\", \"port\": "
	"9153, "
	"\"protocol\": \"TCP\"}, {\"name\": \"dns\", \"port\": 53, \"protocol\": \"UDP\"}, {\"name\": "
	"\"dns-tcp\", \"port\": 53, \"protocol\": \"TCP\"}]}\n"
	"], \"kind\": \"List\", \"metadata\": {\"resourceVersion\": \"\"}}\n";

static const struct kube_row rows[] = {
	{ kubectl,
	  "kube-system/kube-dns dns-tcp 10.96.0.10:53/TCP 10.244.0.2:53 10.244.0.3:53\n"
	  "kube-system/kube-dns dns 10.96.0.10:53/UDP 10.244.0.2:53 10.244.0.3:53\n"
	  "kube-system/kube-dns metrics 10.96.0.10:9153/TCP 10.244.0.2:9153 10.244.0.3:9153\n",
	  "" },
	/* Lists: as the API server sends them, empty, in a list */
	{ "{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"items\": [{\"metadata\": {\"name\": \"a\"}, "
	  "\"spec\": {\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80}]}}]}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"kind\": \"EndpointSliceList\", \"apiVersion\": \"discovery.k8s.io/v1\", \"items\": []}", "",
	  "" },
	{ "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n", "", "" },

	/* The array is found whatever surrounds it; a key written another way is the same key */
	{ "{\"x\": {\"items\": [\"]\", \"\\\"\", {}]}, \"y\": \"\\\\\", \"z\": -1.5e3 , \"items\" : [ "
	  "{\"kind\": "
	  "\"List\", \"apiVersion\": \"v1\", \"items\": []} ] , \"kind\": \"List\", \"apiVersion\": \"v1\"}",
	  "", "" },
	{ "{\"it\\u0065ms\": [{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"clusterIP\": \"10.96.0.1\", "
	  "\"ports\": "
	  "[{\"port\": 80}]}}], \"kind\": \"ServiceList\", \"apiVersion\": \"v1\"}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"items\": [1], \"metadata\": {\"name\": \"a\"}, "
	  "\"spec\": "
	  "{\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80}]}}",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [], \"items\": []}", NULL,
	  "\"items\": duplicate key" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{}, {\"a\": {\"b\": 1, \"b\": 2}}]}",
	  NULL, "\"items[0]\": \"kind\" is missing: not a Kubernetes object" },
	{ LIST(GOOD, "7"), NULL, "\"items[1]\": is a number, not an object" },
	{ LIST(GOOD, "{\"kind\": 1}"), NULL, "\"items[1].kind\": is a number, not a string" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{\"a\": {\"b\": 1, \"b\": 2}}]}", NULL,
	  "\"items[0].a.b\": duplicate key" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [null]}", NULL,
	  "\"items[0]\": is null, not an object" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": {}}", NULL,
	  "\"items\": is an object, not an array" },

	/* Refused: not objects */
	{ "", NULL, "no Kubernetes object found" },
	{ "\n\n", NULL, "no Kubernetes object found" },
	{ "No resources found\n", NULL, "\"[0]\": \"No resources found\" is a string, not an object" },
	{ "{\"items\": []}", NULL, "\"kind\" is missing: not a Kubernetes object" },
	{ "{\"kind\": \"List\", \"items\": []}", NULL, "\"apiVersion\" is missing: not a Kubernetes object" },
	{ "{\"kind\": \"List\", \"apiVersion\": \"v1\"}", NULL, "\"items\" is missing" },
	{ "{\"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}}", NULL,
	  "\"apiVersion\" is missing: not a Kubernetes object" },
	{ "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: ConfigMap\n", NULL,
	  "no Service and no EndpointSlice found, only 2 objects of other kinds" },
	{ "apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\n", NULL,
	  "no Service and no EndpointSlice found, only 1 object of other kinds" },
	/* An unsupported version concerns all objects of a kind: it is an error also in a list */
	{ "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n", NULL,
	  "\"[0].apiVersion\": \"discovery.k8s.io/v1beta1\" is not a supported version of "
	  "EndpointSlice; use discovery.k8s.io/v1" },
	{ LIST(GOOD, "{\"kind\": \"EndpointSlice\", \"apiVersion\": \"discovery.k8s.io/v1beta1\"}"), NULL,
	  "\"items[1].apiVersion\": \"discovery.k8s.io/v1beta1\" is not a supported version of "
	  "EndpointSlice; use discovery.k8s.io/v1" },
	/* What the API server answers instead of objects, alone or among others */
	{ "{\"kind\": \"Status\", \"apiVersion\": \"v1\", \"status\": \"Failure\", \"message\": "
	  "\"endpointslices is forbidden\"}",
	  NULL, "the API server sent a Status instead of objects: endpointslices is forbidden" },
	{ LIST(GOOD, "{\"kind\": \"Table\", \"apiVersion\": \"meta.k8s.io/v1\"}"), NULL,
	  "the API server sent a Table instead of objects" },
	{ GOOD "{\"kind\": \"PartialObjectMetadataList\", \"apiVersion\": \"meta.k8s.io/v1\", \"items\": []}",
	  NULL, "the API server sent a PartialObjectMetadataList instead of objects" },
	/* A piece of a list */
	{ "{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"metadata\": {\"continue\": \"abc\"}, "
	  "\"items\": "
	  "[" GOOD "]}",
	  NULL,
	  "ServiceList: \"metadata.continue\" says that more pieces of the list follow; give all of them" },
	{ "apiVersion: v1\nkind: List\nmetadata: {continue: abc}\nitems:\n", NULL,
	  "List: \"metadata.continue\" says that more pieces of the list follow; give all of them" },
	{ "apiVersion: v1\nkind: Service\nspec: {}\n", NULL, "\"[0]\": \"metadata.name\" is missing" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: ../x}\n", NULL,
	  "\"[0].metadata.name\": \"../x\" is not a Kubernetes name" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: X}\n", NULL,
	  "\"[0].metadata.namespace\": \"X\" is not a Kubernetes name" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", NULL,
	  "Service default/x: \"spec\" is missing" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x, labels: [a]}\n", NULL,
	  "Service default/x: \"metadata.labels\": is an array, not an object" },
	{ "apiVersion: v1\nkind: Service\nmetadata: {name: x, labels: {service.kubernetes.io/headless: "
	  "true}}\n",
	  NULL,
	  "Service default/x: \"metadata.labels.service.kubernetes.io/headless\": is a boolean, not a "
	  "string" },

	/* An invalid item among several items of a list is skipped */
	{ LIST(GOOD,
	       "{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"bad\"}, \"spec\": "
	       "{\"clusterIP\": \"10.96.0.2\", \"ports\": [{\"port\": 80}, {\"port\": 70000}]}}"),
	  "default/good - 10.96.0.9:80/TCP\n",
	  "Service default/bad: \"spec.ports[1].port\": 70000 is not a whole number from 1 to 65535: "
	  "skipped\n"
	  "1 object skipped; its Service stays in the table as it was\n" },
	{ LIST("{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"../x\"}}", GOOD),
	  "default/good - 10.96.0.9:80/TCP\n",
	  "\"items[0].metadata.name\": \"../x\" is not a Kubernetes name: skipped\n"
	  "1 object skipped; its Service stays in the table as it was\n" },
	{ "apiVersion: v1\nkind: List\nitems:\n- " GOOD
	  "\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, "
	  "kind: Service, metadata: {name: bad}, spec: {clusterIP: x}}]}\n",
	  "default/good - 10.96.0.9:80/TCP\n",
	  "Service default/bad: \"spec.clusterIP\": \"x\" is not an address that a Service can have: "
	  "skipped\n"
	  "1 object skipped; its Service stays in the table as it was\n" },
	{ LIST(GOOD, "{\"kind\": \"EndpointSlice\", \"apiVersion\": \"discovery.k8s.io/v1\", \"metadata\": "
		     "{\"name\": "
		     "\"good-1\", \"labels\": {\"kubernetes.io/service-name\": \"good\"}}, \"addressType\": "
		     "\"IPv5\"}"),
	  "default/good - 10.96.0.9:80/TCP\n",
	  "EndpointSlice default/good-1: \"addressType\": \"IPv5\" is not IPv4, IPv6 or FQDN: skipped\n"
	  "1 object skipped; its Service stays in the table as it was\n" },
	/* ... of an EndpointSlice there the one endpoint */
	{ LIST(GOOD,
	       "{\"kind\": \"EndpointSlice\", \"apiVersion\": \"discovery.k8s.io/v1\", \"metadata\": "
	       "{\"name\": "
	       "\"good-1\", \"labels\": {\"kubernetes.io/service-name\": \"good\"}}, \"addressType\": "
	       "\"IPv4\", "
	       "\"ports\": [{\"port\": 1}], \"endpoints\": [{\"addresses\": [\"127.0.0.1\"]}, "
	       "{\"addresses\": "
	       "[\"169.254.1.1\"]}, {\"addresses\": [\"224.0.0.1\"]}, {\"addresses\": []}, {\"addresses\": "
	       "[\"10.244.0.2\"]}, {\"addresses\": [\"fd00::1\"]}, {\"addresses\": [7]}, 8]}"),
	  "default/good - 10.96.0.9:80/TCP 10.244.0.2:1\n",
	  "EndpointSlice default/good-1: \"endpoints[0].addresses[0]\": \"127.0.0.1\" is not an IPv4 address "
	  "that "
	  "an endpoint can have: skipped\n"
	  "EndpointSlice default/good-1: \"endpoints[1].addresses[0]\": \"169.254.1.1\" is not an IPv4 "
	  "address "
	  "that an endpoint can have: skipped\n"
	  "EndpointSlice default/good-1: \"endpoints[2].addresses[0]\": \"224.0.0.1\" is not an IPv4 address "
	  "that "
	  "an endpoint can have: skipped\n"
	  "EndpointSlice default/good-1: \"endpoints[3]\": \"addresses\" is missing or empty: skipped\n"
	  "EndpointSlice default/good-1: \"endpoints[5].addresses[0]\": \"fd00::1\" is not an IPv4 address "
	  "that "
	  "an endpoint can have: skipped\n"
	  "2 more endpoints skipped\n" },
	/* ... but an only item, and an object that stands for itself, are errors */
	{ LIST1("{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"bad\"}}"), NULL,
	  "Service default/bad: \"spec\" is missing" },
	{ GOOD "{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"bad\"}}", NULL,
	  "Service default/bad: \"spec\" is missing" },
	{ "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service, metadata: {name: bad}}]\n",
	  NULL, "Service default/bad: \"spec\" is missing" },
	{ LIST(GOOD, "{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}") "{\"kind\": \"Service\", \"apiVersion\": "
								    "\"v1\", "
								    "\"metadata\": {\"name\": \"bad\"}}",
	  NULL, "Service default/bad: \"spec\" is missing" },
	/* ... and so is what concerns two of them */
	{ LIST(GOOD, GOOD), NULL, "Service default/good appears twice in the input" },

	/* Objects one after the other, lists as well */
	{ GOOD "\n" GOOD_SLICE, "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ GOOD GOOD_SLICE " \r\n", "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ GOOD "\n---\n" GOOD_SLICE "\n---\n", "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ "---\n" GOOD "\n" GOOD_SLICE, "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ LIST1(GOOD_SLICE) LIST1(GOOD), "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ GOOD "\n--- # YAML\n" SLICE_OF("good", "1", "IPv4", "[{port: 9}]", "[{addresses: [10.244.0.9]}]"),
	  "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ SLICE_OF("good", "1", "IPv4", "[{port: 9}]", "[{addresses: [10.244.0.9]}]") GOOD,
	  "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ "---\n{apiVersion: v1, kind: List, items: []}\n", "", "" },
	{ "{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"metadata\": {\"continue\": \"x\"}, "
	  "\"items\": []}"
	  "{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"metadata\": {}, \"items\": [" GOOD "]}",
	  "default/good - 10.96.0.9:80/TCP\n", "" },
	{ GOOD "\n{\"kind\":", NULL, "not JSON: line 2, column 9: expected a value (end of input)" },
	{ GOOD "\nx", NULL, "not JSON: line 2, column 1: unexpected text after the JSON value" },
	{ GOOD "\n--- x: *y\n", NULL, "not valid YAML: line 2, column 8: alias without an anchor" },

	/* Byte order marks, other line ends, UTF-16 */
	{ BOM GOOD "\r\n" BOM GOOD_SLICE, "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ BOM "\r\n---\r\n" GOOD "\r\n---\r\n" BOM GOOD_SLICE,
	  "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n", "" },
	{ BOM
	  "apiVersion: v1\r\nkind: Service\r\nmetadata: {name: a}\r\nspec:\r\n  clusterIP: 10.96.0.1\r\n  "
	  "ports:\r\n  - port: 80\r\n",
	  "default/a - 10.96.0.1:80/TCP\n", "" },
	{ BOM "{]", NULL, "not JSON: line 1, column 2: expected a string" },
	{ "\xff\xfe", NULL, "no Kubernetes object found" },

	/* Objects of other kinds, also where their kind is called the same */
	{ LIST("{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}", "{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}"),
	  NULL, "no Service and no EndpointSlice found, only 2 objects of other kinds" },
	{ "apiVersion: apps/v1\nkind: Deployment\nspec: {x: 1}\n---\n" GOOD
	  "\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nspec: 7\n",
	  "default/good - 10.96.0.9:80/TCP\n", "2 objects of other kinds ignored\n" },
	{ "{\"kind\": \"PodList\", \"apiVersion\": \"v1\", \"items\": [1, 2]}" GOOD,
	  "default/good - 10.96.0.9:80/TCP\n", "1 object of other kinds ignored\n" },
	{ LIST(GOOD, "{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}"), "default/good - 10.96.0.9:80/TCP\n",
	  "1 object of other kinds ignored\n" },
	{ LIST(GOOD, "{\"kind\": \"Endpoints\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"good\"}}"),
	  "default/good - 10.96.0.9:80/TCP\n",
	  "Service default/good has no backends: no EndpointSlice of it is in the input; Endpoints (v1) are "
	  "ignored\n"
	  "1 object of other kinds ignored\n" },
};

static void test_rows(void **state)
{
	(void)state;
	kube_check_rows(rows, sizeof(rows) / sizeof(rows[0]), NULL);
}

/* Several texts are one input. */
static void test_several_texts(void **state)
{
	struct nb_error err = { 0 };
	char notes[KUBE_NOTES_MAX] = "", text[4096];
	const struct nb_kube_note note = { kube_add_note, notes };
	struct nb_kube *kube = nb_kube_new(&note, NULL, &err);
	struct nb_kube_input input = { 0 };

	(void)state;
	assert_int_equal(kube_read(kube, GOOD, strlen(GOOD), &err), 0);
	assert_int_equal(kube_read(kube, GOOD_SLICE, strlen(GOOD_SLICE), &err), 0);
	assert_int_equal(nb_kube_finish(kube, &input, &err), 0);
	kube_format(&input.services, text, sizeof(text));
	assert_string_equal(text, "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n");
	assert_string_equal(notes, "");
	assert_int_equal(input.incomplete.n, 0);
	assert_false(input.says_nothing);
	nb_kube_input_free(&input);
	nb_kube_free(&kube);

	kube = nb_kube_new(&note, NULL, &err);
	assert_int_equal(kube_read(kube, GOOD, strlen(GOOD), &err), 0);
	assert_true(kube_read(kube, "", 0, &err) < 0);
	assert_string_equal(err.msg, "no Kubernetes object found");
	nb_kube_free(&kube);

	kube = nb_kube_new(&note, NULL, &err);
	assert_int_equal(kube_read(kube, GOOD, strlen(GOOD), &err), 0);
	assert_int_equal(kube_read(kube, LIST1(GOOD), strlen(LIST1(GOOD)), &err), 0);
	assert_true(nb_kube_finish(kube, &input, &err) < 0);
	assert_string_equal(err.msg, "Service default/good appears twice in the input");
	nb_kube_free(&kube);
}

static void assert_says(const char *text, const char *incomplete, bool says_nothing)
{
	struct nb_kube_input input = { 0 };
	struct nb_error err = { 0 };
	char names[512] = "";

	assert_int_equal(kube_parse(text, strlen(text), NULL, &input, &err), 0);
	for (size_t i = 0; i < input.incomplete.n; i++)
		sprintf(names + strlen(names), "%s\n", input.incomplete.items[i]);
	assert_string_equal(names, incomplete);
	assert_int_equal(input.says_nothing, says_nothing);
	nb_kube_input_free(&input);
}

/* Which Services are to stay as the table has them, and what is no input at all. */
static void test_incomplete(void **state)
{
	(void)state;
	assert_says(LIST(GOOD,
			 "{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"bad\", "
			 "\"namespace\": \"shop\"}, \"spec\": {\"clusterIP\": \"x\"}}"),
		    "shop/bad\n", false);
	assert_says(LIST(GOOD, "{\"kind\": \"EndpointSlice\", \"apiVersion\": \"discovery.k8s.io/v1\", "
			       "\"metadata\": {\"name\": \"x\", \"labels\": {\"kubernetes.io/service-name\": "
			       "\"good\"}}, \"addressType\": \"IPv4\", \"ports\": 7}"),
		    "default/good\n", false);
	assert_says(
		LIST(GOOD, "{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"\"}}"),
		"", false);
	assert_says(
		"{\"kind\": \"EndpointSliceList\", \"apiVersion\": \"discovery.k8s.io/v1\", \"items\": null}",
		"", true);
	assert_says(GOOD_SLICE, "", false);
	assert_says("{\"kind\": \"ServiceList\", \"apiVersion\": \"v1\", \"items\": []}", "", false);
	assert_says("{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": []}", "", false);
}

static int occurrences(const char *text, const char *of)
{
	int n = 0;

	for (text = strstr(text, of); text; text = strstr(text + 1, of))
		n++;
	return n;
}

/* Of many alike a few are named. */
static void test_many_notes(void **state)
{
	struct nb_error err = { 0 };
	char notes[KUBE_NOTES_MAX] = "", text[512];
	const struct nb_kube_note note = { kube_add_note, notes };
	struct nb_kube *kube = nb_kube_new(&note, NULL, &err);
	struct nb_kube_input input = { 0 };

	(void)state;
	for (int i = 10; i < 50; i++) {
		snprintf(text, sizeof(text),
			 "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
			 "metadata: {name: s%d, labels: {kubernetes.io/service-name: web}}\n",
			 i);
		assert_int_equal(kube_read(kube, text, strlen(text), &err), 0);
	}
	assert_int_equal(nb_kube_finish(kube, &input, &err), 0);
	assert_int_equal(occurrences(notes, "its Service default/web is not in the input\n"), 5);
	assert_int_equal(occurrences(notes, "\n"), 6);
	assert_non_null(strstr(notes, "\n35 more EndpointSlices whose Service is not in the input\n"));
	nb_kube_input_free(&input);
	nb_kube_free(&kube);
}

/* In UTF-16, both orders. */
static void test_utf16(void **state)
{
	static const char text[] = GOOD "\n" GOOD_SLICE;
	char wide[2 * sizeof(text)] = "", found[256];

	(void)state;
	for (int big = 0; big < 2; big++) {
		struct nb_kube_input input = { 0 };
		struct nb_error err = { 0 };

		memset(wide, 0, sizeof(wide));
		memcpy(wide, big ? "\xfe\xff" : "\xff\xfe", 2);
		for (size_t i = 0; i < sizeof(text) - 1; i++)
			wide[2 + 2 * i + big] = text[i];
		if (kube_parse(wide, sizeof(wide), NULL, &input, &err))
			fail_msg("%s", err.msg);
		kube_format(&input.services, found, sizeof(found));
		assert_string_equal(found, "default/good - 10.96.0.9:80/TCP 10.244.0.9:9\n");
		nb_kube_input_free(&input);
	}
}

/*
 * Cut off anywhere, kubectl's output is refused: half a list must not remove the other half's
 * services.
 */
static void test_cut_off(void **state)
{
	size_t whole = strlen(kubectl) - 1;

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		struct nb_kube_input input = { 0 };
		struct nb_error err = { 0 };

		assert_true(kube_parse(kubectl, len, NULL, &input, &err) < 0);
		assert_true(err.msg[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),       cmocka_unit_test(test_several_texts),
		cmocka_unit_test(test_incomplete), cmocka_unit_test(test_many_notes),
		cmocka_unit_test(test_utf16),      cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
