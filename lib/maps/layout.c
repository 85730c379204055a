// SPDX-License-Identifier: GPL-2.0-or-later
/* The rows of maps, programs and modes, and lookups in them. */
#include "layout.h"

#include "lib/util/cleanup.h"
#include "lib/util/hash.h"

#define MAP_ROW(id, ...)  [NB_MAP_##id] = { __VA_ARGS__ },
#define PROG_ROW(id, ...) [NB_PROG_##id] = { __VA_ARGS__ },

const struct nb_map_row nb_map_rows[NB_MAPS] = { NB_MAP_TABLE(MAP_ROW) };
const struct nb_prog_row nb_prog_rows[NB_PROGS] = { NB_PROG_TABLE(PROG_ROW) };

static const char *const mode_names[NB_MODES] = {
	[NB_MODE_OFF] = "off",
	[NB_MODE_EBPF] = "ebpf",
	[NB_MODE_ASSIST] = "assist",
	[NB_MODE_NODE] = "node",
};

const char *nb_mode_name(enum nb_mode mode)
{
	return mode_names[mode];
}

const char *nb_map_name(enum nb_map map)
{
	return nb_map_rows[map].name;
}

const char *nb_prog_name(enum nb_prog prog)
{
	return nb_prog_rows[prog].name;
}

bool nb_mode_has_map(enum nb_mode mode, enum nb_map map)
{
	return nb_map_rows[map].modes & 1 << mode;
}

bool nb_mode_has_prog(enum nb_mode mode, enum nb_prog prog)
{
	return nb_prog_rows[prog].mode == mode;
}

enum nb_prog nb_prog_at(enum nb_mode mode, enum nb_hook hook)
{
	for (enum nb_prog i = 0; i < NB_PROGS; i++)
		if (nb_prog_rows[i].mode == mode && nb_prog_rows[i].hook == hook)
			return i;
	return NB_PROGS;
}

__u32 nb_network_hash(const char *network)
{
	return nb_fnv1a_32(network);
}

void nb_datapath_close(struct nb_datapath *dp)
{
	for (int i = 0; i < NB_MAPS; i++)
		nb_close_fd(&dp->map_fd[i]);
	for (int i = 0; i < NB_PROGS; i++)
		nb_close_fd(&dp->prog_fd[i]);
	nb_close_fd(&dp->watch_fd);
	nb_close_fd(&dp->lock_fd);
	*dp = (struct nb_datapath)NB_DATAPATH_INIT;
}

bool nb_datapath_has(const struct nb_datapath *dp, enum nb_mode mode)
{
	for (int i = 0; i < NB_MAPS; i++)
		if (nb_mode_has_map(mode, i) && !(nb_map_rows[i].modes & NB_IN_LATER) && dp->map_fd[i] < 0)
			return false;
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_mode_has_prog(mode, i) && dp->prog_fd[i] < 0)
			return false;
	return true;
}

bool nb_datapath_has_progs(const struct nb_datapath *dp, enum nb_mode mode)
{
	for (int i = 0; i < NB_PROGS; i++)
		if (nb_mode_has_prog(mode, i) && dp->prog_fd[i] >= 0)
			return true;
	return false;
}
