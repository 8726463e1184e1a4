# SPDX-License-Identifier: GPL-2.0-only
#
# For people. What kbuild needs is in Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -rf build

demo:
	scripts/demo

check:
	scripts/check

bench:
	scripts/bench

# Needs graphviz.
picture: Documentation/request-path.svg

%.svg: %.dot
	dot -Tsvg $< -o $@

.PHONY: modules clean demo check bench picture
