// SPDX-License-Identifier: GPL-2.0-or-later
/* Mounts a bpffs where no other process sees it. */
#include "lib/datapath/bpffs.h"
#include "lib/datapath/pin_path.h"
#include "lib/util/error.h"

#include "own_bpffs.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

void own_bpffs_make(struct own_bpffs *own)
{
	char dir[] = "/tmp/natbridge-unit-XXXXXX";
	struct nb_error err = { 0 };

	*own = (struct own_bpffs){ 0 };
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(dir)) {
		print_message("# cannot make namespaces here: %s\n", strerror(errno));
		return;
	}
	if (nb_bpffs_ensure(dir, &err)) {
		print_message("# cannot make a bpffs here: %s\n", err.msg);
		rmdir(dir);
		return;
	}
	strcpy(own->dir, dir);
	assert_int_equal(nb_pin_root_resolve(own->dir, &own->root, &err), 0);
}

void own_bpffs_remove(struct own_bpffs *own)
{
	if (!*own->dir)
		return;
	umount2(own->dir, MNT_DETACH); /* a test that failed has it open */
	rmdir(own->dir);
}

void own_bpffs_require(const struct own_bpffs *own)
{
	if (!*own->dir)
		skip();
}
