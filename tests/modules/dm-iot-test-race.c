// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races between completion, timeout and cancellation. We check that each region
 * ends once, that TIMEOUT is reported before the end and not at the same time,
 * and that the caller's memory does not change after the end.
 *
 * Each slot has one call at a time, alternately a read and a write, with a
 * random timeout. One thread submits the calls. It checks the memory of a slot
 * before it uses the slot again. If a call is active, another thread may cancel
 * it, at random by handle or by device.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "dm-iot-test.h"

#define SLOTS		24
#define REGIONS		4
#define SECTORS		8
#define WATCHED		0xee

struct race_slot {
	struct dm_iot_handle *handle;	/* for cancel_thread(); under slots_lock */
	u8 *memory;
	atomic_t left;
	atomic_t ends[REGIONS];
	atomic_t timeouts[REGIONS];
	atomic_t inside[REGIONS];
	bool used;
};

static struct race_slot slots[SLOTS];
static DEFINE_SPINLOCK(slots_lock);	/* handle of each slot */
static atomic_t wrong, seen[4];

static void wrong_if(bool condition, const char *what)
{
	if (condition && atomic_inc_return(&wrong) < 10)
		test_log("wrong: %s\n", what);
}

static void race_notify(const struct dm_iot_region_state *state, void *context)
{
	unsigned int i = state->index;
	struct race_slot *s = context;

	wrong_if(atomic_inc_return(&s->inside[i]) != 1, "alongside");
	atomic_inc(&seen[state->state]);
	wrong_if(atomic_read(&s->ends[i]), "after the end");
	if (state->state == DM_IOT_TIMEOUT) {
		wrong_if(atomic_inc_return(&s->timeouts[i]) != 1,
			 "a second timeout");
		atomic_dec(&s->inside[i]);
		return;
	}
	atomic_inc(&s->ends[i]);
	/* Fill the memory, so that take_back() detects any later change. */
	memset(s->memory + i * SECTORS * SECTOR_SIZE, WATCHED,
	       SECTORS * SECTOR_SIZE);
	atomic_dec(&s->inside[i]);
	/* A submitter that sees left == 0 must also see all of the above. */
	smp_mb__before_atomic();
	atomic_dec(&s->left);
}

static int cancel_thread(void *data)
{
	struct dm_iot_client *client = data;
	struct dm_iot_handle *h;
	unsigned int device;
	struct race_slot *s;

	while (!kthread_should_stop()) {
		s = &slots[get_random_u32() % SLOTS];
		spin_lock_irq(&slots_lock);
		h = s->handle ? dm_iot_handle_get(s->handle) : NULL;
		spin_unlock_irq(&slots_lock);
		if (h) {
			dm_iot_cancel_by_handle(client, h);
			dm_iot_handle_put(h);
		}
		if (!(get_random_u32() % 16)) {
			device = get_random_u32() % test_bdevs;
			dm_iot_cancel_by_device(client, test_bdev[device]);
		}
		usleep_range(50, 400);
	}
	return 0;
}

static void take_back(struct race_slot *s)
{
	struct dm_iot_handle *h;
	unsigned int i;

	spin_lock_irq(&slots_lock);
	h = s->handle;
	s->handle = NULL;
	spin_unlock_irq(&slots_lock);
	if (h)
		dm_iot_handle_put(h);
	if (!s->used)
		return;
	for (i = 0; i < REGIONS; i++)
		wrong_if(atomic_read(&s->ends[i]) != 1, "not one end");
	wrong_if(memchr_inv(s->memory, WATCHED,
			    REGIONS * SECTORS * SECTOR_SIZE),
		 "memory changed after the end");
	s->used = false;
}

static int submit(struct dm_iot_client *client, struct race_slot *s,
		  unsigned int number, unsigned int max_ms)
{
	struct dm_iot_region region[REGIONS];
	struct dm_iot_handle *h = NULL;
	struct dm_iot_control ctl = {
		.client = client,
		.memory = { .type = DM_IOT_KMEM, .addr = s->memory },
		.opf = number & 1 ? REQ_OP_WRITE : REQ_OP_READ,
		.notify = race_notify,
		.context = s,
		.timeout = get_random_u32() % (max_ms + 1),
		.flags = (get_random_u32() & 1 ? DM_IOT_CANCEL_ON_TIMEOUT : 0) |
			 (get_random_u32() & 1 ? DM_IOT_NO_WAIT : 0),
	};
	unsigned int i;
	int r;

	for (i = 0; i < REGIONS; i++) {
		atomic_set(&s->ends[i], 0);
		atomic_set(&s->timeouts[i], 0);
		atomic_set(&s->inside[i], 0);
		region[i].bdev = test_bdev[i % test_bdevs];
		region[i].sector = (get_random_u32() % 512) * SECTORS;
		region[i].count = SECTORS;
	}
	memset(s->memory, 0, REGIONS * SECTORS * SECTOR_SIZE);
	atomic_set(&s->left, REGIONS);
	s->used = true;
	r = dm_iot_io(&ctl, REGIONS, region, &h);
	if (r) {
		s->used = false;
		atomic_set(&s->left, 0);
		return r;
	}
	spin_lock_irq(&slots_lock);
	s->handle = h;
	spin_unlock_irq(&slots_lock);
	return 0;
}

/*
 * Submit @calls calls of four regions with timeouts of up to @max_ms. Log the
 * number of reports of each state, the number of calls refused with EBUSY, and
 * the number of errors.
 */
int test_race(struct dm_iot_client *client, unsigned int calls,
	      unsigned int max_ms)
{
	unsigned int done = 0, busy = 0, i;
	struct task_struct *task;
	int r = 0;

	atomic_set(&wrong, 0);
	for (i = 0; i < 4; i++)
		atomic_set(&seen[i], 0);
	for (i = 0; i < SLOTS; i++) {
		slots[i].memory = kmalloc(REGIONS * SECTORS * SECTOR_SIZE,
					  GFP_KERNEL);
		if (!slots[i].memory)
			goto out;
	}
	task = kthread_run(cancel_thread, client, "iot-cancel");
	if (IS_ERR(task))
		goto out;

	while (done < calls && !r) {
		for (i = 0; i < SLOTS && done < calls && !r; i++) {
			if (atomic_read(&slots[i].left))
				continue;
			take_back(&slots[i]);
			r = submit(client, &slots[i], done, max_ms);
			if (r == -EBUSY) {
				busy++;
				r = 0;
			} else {
				done++;
			}
		}
		cond_resched();
		usleep_range(20, 60);
	}
	for (i = 0; i < SLOTS; i++) {
		while (atomic_read(&slots[i].left))
			msleep(20);
		take_back(&slots[i]);
	}
	kthread_stop(task);
	test_log("race = %d\n", r);
	test_log("ok %d timeout %d cancelled %d error %d busy %u\n",
		 atomic_read(&seen[DM_IOT_OK]), atomic_read(&seen[DM_IOT_TIMEOUT]),
		 atomic_read(&seen[DM_IOT_CANCELLED]),
		 atomic_read(&seen[DM_IOT_ERROR]), busy);
	test_log("wrong %d\n", atomic_read(&wrong));
out:
	for (i = 0; i < SLOTS; i++) {
		kfree(slots[i].memory);
		slots[i].memory = NULL;
	}
	return 0;
}
