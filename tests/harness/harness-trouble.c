// SPDX-License-Identifier: GPL-2.0
/*
 * harness-trouble - cause one kind of trouble when loaded
 *
 * With this module we test that the test harness notices a misbehaving kernel.
 * The parameter what= is one of
 *	warn, oops		reported by any kernel
 *	hang			all CPUs spin with interrupts off
 *	freed, sleep, locks	reported by 6.12-kasan: KASAN, DEBUG_ATOMIC_SLEEP, lockdep
 *	leak			reported by kmemleak
 *	race, shift		reported by 6.12-kcsan: KCSAN, UBSAN
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>
#include <linux/string.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "the kind of trouble");

static void *nowhere;

static int warn(void)
{
	WARN(1, "harness-trouble: a warning on request\n");
	return 0;
}

static int oops(void)
{
	*(volatile int *)nowhere = 1;
	return 0;
}

static int spin(void *unused)
{
	for (;;)
		cpu_relax();
	return 0;
}

static int hang(void)
{
	return stop_machine(spin, NULL, cpu_online_mask);
}

static int freed(void)
{
	int *memory = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	kfree(memory);
	return READ_ONCE(*memory) & 0;
}

static int sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

static int locks(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);
	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
	return 0;
}

static int leak(void)
{
	void *memory = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	return 0;
}

static int contended;

static int racer(void *unused)
{
	int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 10000; i++) {
			contended++;
			barrier();
		}
		cond_resched();
	}
	return 0;
}

static int race(void)
{
	struct task_struct *racers[2];
	int i;

	for (i = 0; i < 2; i++) {
		racers[i] = kthread_run(racer, NULL, "racer%d", i);
		if (IS_ERR(racers[i]))
			break;
	}
	msleep(3000);
	while (i--)
		kthread_stop(racers[i]);
	return 0;
}

static int shift(void)
{
	int by = 32;

	OPTIMIZER_HIDE_VAR(by);
	contended = 1 << by;
	return 0;
}

static const struct {
	const char *what;
	int (*make)(void);
} troubles[] = {
	{ "warn", warn },
	{ "oops", oops },
	{ "hang", hang },
	{ "freed", freed },
	{ "sleep", sleep },
	{ "locks", locks },
	{ "leak", leak },
	{ "race", race },
	{ "shift", shift },
};

static int __init trouble_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(troubles); i++)
		if (!strcmp(what, troubles[i].what))
			return troubles[i].make();
	return -EINVAL;
}
module_init(trouble_init);

static void __exit trouble_exit(void)
{
}
module_exit(trouble_exit);

MODULE_DESCRIPTION("Trouble on request, to test the test harness");
MODULE_LICENSE("GPL");
