// SPDX-License-Identifier: GPL-2.0-or-later
/* The rights, a probe of the kernel for each network, and a list and a watch of each resource. */
#include "check.h"

#include <stdbool.h>
#include <stdio.h>

#include "lib/conf/network_files.h"
#include "lib/datapath/bpffs.h"
#include "lib/datapath/datapath.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/privilege.h"

#include "api.h"
#include "config.h"
#include "log.h"
#include "loop.h"
#include "takeover.h"

enum { ANSWER_MS = 15000 };

static void print(bool *failed, const char *what, const char *name, const char *why)
{
	printf("%-6s %s%s%s%s%s\n", why ? "FAILED" : "ok", what, *name ? " " : "", name, why ? ": " : "",
	       why ? why : "");
	*failed |= why != NULL;
}

static void tell_bad_file(const char *why, void *arg)
{
	print(arg, "configuration", "", why);
}

static int check_networks(const struct nb_agent_config *config, bool *failed, struct nb_error *err)
{
	nb_cleanup(nb_network_files_free) struct nb_network_files files = { 0 };
	size_t n = 0;
	int rc = nb_network_files_read(config->cni_dir, tell_bad_file, failed, &files, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < files.all.n; i++) {
		const struct nb_network_file *file = &files.all.items[i];
		struct nb_pin_root root = file->proxy.pin_root;
		struct nb_error why = { 0 };
		int bad;

		if (file->proxy.mode != NB_MODE_EBPF)
			continue;
		n++;
		bad = config->bpffs ? nb_pin_root_resolve(config->bpffs, &root, &why) : 0;
		bad = bad ? bad : nb_bpffs_require(root.bpffs, &why);
		bad = bad ? bad : nb_datapath_probe(&root, file->name, NB_MODE_EBPF, &why);
		print(failed, "network", file->name, bad ? why.msg : NULL);
	}
	if (!n)
		print(failed, "networks", "", "none in mode ebpf");
	return 0;
}

/* Whether the whole node can be served: what its own table needs of the kernel, and that no kube-proxy does
 * it. */
static void check_node(const struct nb_agent_config *config, bool *failed)
{
	struct nb_error why = { 0 }, found = { 0 };
	struct nb_pin_root root;
	int bad = nb_pin_root_resolve(config->bpffs, &root, &why);

	bad = bad ? bad : nb_bpffs_require(root.bpffs, &why);
	bad = bad ? bad : nb_datapath_probe(&root, NB_NODE_NETWORK, NB_MODE_NODE, &why);
	print(failed, "node", "", bad ? why.msg : NULL);
	print(failed, "kube-proxy", "", nb_takeover_check(config, &found) ? found.msg : NULL);
}

struct request {
	struct nb_loop *loop;
	struct nb_error error;
	bool is_stream; /* its beginning says enough */
	bool done;
};

static void on_head(void *arg)
{
	struct request *request = arg;

	if (!request->is_stream)
		return;
	request->done = true;
	nb_loop_stop(request->loop);
}

static int on_body(const char *bytes, size_t len, void *arg)
{
	(void)bytes;
	(void)len;
	(void)arg;
	return 0;
}

static void on_end(const struct nb_api_outcome *outcome, void *arg)
{
	struct request *request = arg;

	request->error = outcome->error;
	request->done = true;
	nb_loop_stop(request->loop);
}

static void on_time(void *arg)
{
	nb_loop_stop(((struct request *)arg)->loop);
}

static int ask(struct nb_loop *loop, struct nb_api *api, const char *path, bool is_stream,
	       struct nb_error *why)
{
	struct request request = { .loop = loop, .is_stream = is_stream };
	struct nb_timer timer = { .fn = on_time, .arg = &request };
	struct nb_api_call call = {
		.api = api,
		.path = path,
		.on_head = on_head,
		.on_body = on_body,
		.on_end = on_end,
		.arg = &request,
	};
	int rc = nb_api_get(&call, why);

	if (rc)
		return rc;
	nb_timer_set(loop, &timer, ANSWER_MS);
	rc = nb_loop_run(loop, why);
	loop->stopped = false;
	nb_timer_stop(&timer);
	nb_api_cancel(&call);
	if (!rc && !request.done)
		return nb_fail(why, NB_ERR_SYSTEM, 0, "no answer within %d s", ANSWER_MS / 1000);
	if (!rc && request.error.code) {
		*why = request.error;
		rc = -1;
	}
	return rc;
}

/* path ends with "?" or "&". */
static int check_resource(struct nb_loop *loop, struct nb_api *api, const char *path, struct nb_error *why)
{
	char list[512], watch[512];
	int rc;

	snprintf(list, sizeof(list), "%slimit=1", path);
	snprintf(watch, sizeof(watch), "%swatch=1&timeoutSeconds=1", path);
	rc = ask(loop, api, list, false, why);
	return rc ? rc : ask(loop, api, watch, true, why);
}

static void check_api(struct nb_loop *loop, struct nb_api *api, const struct nb_agent_config *config,
		      bool *failed)
{
	char node[400];
	const struct {
		const char *name, *path;
	} resources[] = {
		{ "services", "/api/v1/services?" },
		{ "endpointslices", "/apis/discovery.k8s.io/v1/endpointslices?" },
		{ "nodes", node },
	};

	snprintf(node, sizeof(node), "/api/v1/nodes?fieldSelector=metadata.name%%3D%s&", config->node);
	for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++) {
		struct nb_error why = { 0 };

		print(failed, "API", resources[i].name,
		      check_resource(loop, api, resources[i].path, &why) ? why.msg : NULL);
	}
}

int nb_agent_check(struct nb_loop *loop, struct nb_api *api, const struct nb_agent_config *config,
		   struct nb_error *err)
{
	struct nb_error why = { 0 };
	bool failed = false;
	int rc;

	print(&failed, "rights", "", nb_privilege_check(NB_TO_LOAD, &why) ? why.msg : NULL);
	if (config->serves_node)
		check_node(config, &failed);
	rc = check_networks(config, &failed, err);

	if (rc)
		return rc;
	check_api(loop, api, config, &failed);
	return failed ? nb_fail(err, NB_ERR_NOT_AVAILABLE, 0, "the agent cannot run here: see above") : 0;
}
