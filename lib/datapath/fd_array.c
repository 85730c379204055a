// SPDX-License-Identifier: GPL-2.0-or-later
/* One element of an array of programs or of maps. */
#include "fd_array.h"

#include <errno.h>
#include <stddef.h>

#include <bpf/bpf.h>

/* The kernel writes as much as fits, and both begin alike. */
struct object_info {
	__u32 type;
	__u32 id;
};

_Static_assert(offsetof(struct bpf_prog_info, id) == offsetof(struct object_info, id), "of programs");
_Static_assert(offsetof(struct bpf_map_info, id) == offsetof(struct object_info, id), "of maps");

__u32 nb_fd_id(int fd)
{
	struct object_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

__u32 nb_fd_array_get(const struct nb_datapath *dp, enum nb_map map, __u32 index)
{
	__u32 id = 0;

	return bpf_map_lookup_elem(dp->map_fd[map], &index, &id) ? 0 : id;
}

int nb_fd_array_set(const struct nb_datapath *dp, enum nb_map map, __u32 index, int fd, struct nb_error *err)
{
	const int map_fd = dp->map_fd[map];
	const __u32 is = nb_fd_array_get(dp, map, index);

	if (fd < 0 ? !is : is && is == nb_fd_id(fd))
		return 0;
	if (fd < 0 ? bpf_map_delete_elem(map_fd, &index) && errno != ENOENT
		   : bpf_map_update_elem(map_fd, &index, &fd, BPF_ANY))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot write element %u of map \"%s\"", index,
			       nb_map_name(map));
	return 0;
}
