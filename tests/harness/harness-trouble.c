// SPDX-License-Identifier: GPL-2.0
/*
 * harness-trouble - a module that does on loading what no kernel should, so that the test harness
 * can be seen to notice: `what=warn`, `what=oops`, or `what=hang` (all CPUs, interrupts off).
 */
#include <linux/module.h>
#include <linux/stop_machine.h>
#include <linux/string.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "warn, oops or hang");

static void *nowhere;

static int spin(void *unused)
{
	for (;;)
		cpu_relax();
	return 0;
}

static int __init trouble_init(void)
{
	WARN(!strcmp(what, "warn"), "harness-trouble: a warning on request\n");
	if (!strcmp(what, "oops"))
		*(volatile int *)nowhere = 1;
	if (!strcmp(what, "hang"))
		return stop_machine(spin, NULL, cpu_online_mask);
	return 0;
}
module_init(trouble_init);

static void __exit trouble_exit(void)
{
}
module_exit(trouble_exit);

MODULE_DESCRIPTION("Trouble on request, to test the test harness");
MODULE_LICENSE("GPL");
