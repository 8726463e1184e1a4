# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# trouble.sh - sourced by tests of the harness after base.sh: a whole test, in which tests/harness/harness-trouble.c
# makes the trouble named WHAT. Nothing in it fails but what the kernel's log has to say.

plan 1
try "the module loads" insmod "$MODDIR/tests/harness/harness-trouble.ko" "what=$WHAT"
rmmod harness-trouble
finish
