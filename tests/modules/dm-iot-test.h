/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-iot-test: devices and log, shared by the files of the module.
 */
#ifndef DM_IOT_TEST_H
#define DM_IOT_TEST_H

#include <linux/blkdev.h>
#include <linux/dm-io-timeout.h>

#define MAX_DEVICES	8

extern struct block_device *test_bdev[MAX_DEVICES];
extern unsigned int test_bdevs;

void test_log(const char *fmt, ...) __printf(1, 2);
int test_race(struct dm_iot_client *client, unsigned int calls,
	      unsigned int max_ms);

#endif /* DM_IOT_TEST_H */
