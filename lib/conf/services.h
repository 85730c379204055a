/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_CONF_SERVICES_H
#define NATBRIDGE_LIB_CONF_SERVICES_H

/* "serviceProxy.services" of the configuration. */

#include "lib/json/json.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

/* Reads the list, normalised and with origin NB_ORIGIN_CONFIG. The caller frees *services. */
int nb_conf_parse_services(const struct nb_json *array, struct nb_services *services, struct nb_error *err);

#endif
