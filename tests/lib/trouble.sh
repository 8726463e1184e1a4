# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# trouble.sh - a whole test of the harness, which sources base.sh before it. We load tests/harness/harness-trouble.c, which
# causes the trouble named WHAT. All results are ok, so that only the kernel log can fail the test.

plan 1
try "the module loads" insmod "$MODDIR/tests/harness/harness-trouble.ko" "what=$WHAT"
rmmod harness-trouble
finish
