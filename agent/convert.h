/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_CONVERT_H
#define NATBRIDGE_AGENT_CONVERT_H

/* From a kube-proxy configuration to one of natbridge-agent. */

#include <stdio.h>

#include "lib/util/error.h"

/*
 * Reads a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) from a file of YAML or JSON, and prints
 * an AgentConfiguration that does the same. What is set there and has no counterpart follows as comments,
 * each with the reason. Errors name the file.
 */
int nb_agent_convert(const char *path, FILE *to, struct nb_error *err);

#endif
