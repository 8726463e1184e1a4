/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel exports dm_path_uevent(), but does not install the header that
 * declares it.  In the patch series, drivers/md/dm-uevent.h takes the place of
 * this file (see scripts/patches).
 */
#ifndef DM_UEVENT_H
#define DM_UEVENT_H

struct dm_target;

enum dm_uevent_type {
	DM_UEVENT_PATH_FAILED,
	DM_UEVENT_PATH_REINSTATED,
};

#ifdef CONFIG_DM_UEVENT
void dm_path_uevent(enum dm_uevent_type event_type, struct dm_target *ti,
		    const char *path, unsigned int nr_valid_paths);
#else
static inline void dm_path_uevent(enum dm_uevent_type event_type,
				  struct dm_target *ti, const char *path,
				  unsigned int nr_valid_paths)
{
}
#endif

#endif /* DM_UEVENT_H */
