// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads an object by a table of its keys. */
#include "conf_key.h"

#include "conf.h"

struct nb_conf_key_names nb_conf_key_names(const struct nb_conf_key keys[])
{
	struct nb_conf_key_names all = { 0 };

	for (size_t i = 0; keys[i].name && i < NB_CONF_KEYS_MAX; i++)
		all.names[i] = keys[i].name;
	return all;
}

int nb_conf_read_keys(const struct nb_json *object, const struct nb_conf_key keys[], struct nb_conf *conf,
		      struct nb_error *err)
{
	for (const struct nb_conf_key *key = keys; key->name; key++) {
		const struct nb_json at = nb_json_get(object, key->name);
		int rc = 0;

		if (!key->for_removal && !nb_conf_is_full(conf))
			continue;
		if (key->flag)
			rc = nb_json_bool(&at, (bool *)((char *)conf + key->flag), err);
		else if (key->parse)
			rc = key->parse(&at, conf, err);
		if (rc)
			return rc;
	}
	return 0;
}
