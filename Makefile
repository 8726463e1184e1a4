# SPDX-License-Identifier: GPL-2.0-only
#
# For people. What kbuild needs is in Kbuild.
#   make [KVER=release]				the modules, for the running kernel or that one
#   make [KVER=release] install, uninstall	as root; see "Install" in README.md
#   make patches KSRC=tree			the patch series for that kernel, in build/patches
# With DESTDIR or INSTALL_MOD_PATH the tree there is meant and not this machine.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
# Where the built modules are.
M ?= $(CURDIR)

INSTALL_MOD_PATH ?= $(DESTDIR)
ROOT = $(INSTALL_MOD_PATH)
MODULES = $(ROOT)/lib/modules/$(KVER)
OURS = updates/dm-mpath-rq
CONF = $(ROOT)/etc/modprobe.d/dm-mpath-rq.conf
HOOKS = $(ROOT)/etc/initramfs-tools/hooks
SBIN = $(ROOT)/usr/sbin

modules:
	$(MAKE) -C $(KDIR) M=$(M) modules

clean:
	$(MAKE) -C $(KDIR) M=$(M) clean
	rm -rf build

# The modules are not compressed, whatever the kernel does with its own, and signed where its key is: a
# distribution keeps that.
INSTALL_CONFIG = CONFIG_MODULE_COMPRESS_ALL=
INSTALL_CONFIG += $(if $(wildcard $(KDIR)/certs/signing_key.x509),,CONFIG_MODULE_SIG_ALL=)

install:
	packaging/check no-dkms $(MODULES)
	packaging/check built $(M) $(KVER)
	$(if $(ROOT),,packaging/check install)
	$(MAKE) -C $(KDIR) M=$(M) INSTALL_MOD_PATH=$(ROOT) INSTALL_MOD_DIR=$(OURS) $(INSTALL_CONFIG) modules_install
	install -D -m 644 packaging/dm-mpath-rq.conf $(CONF)
	install -D -m 755 tools/mpath-top $(SBIN)/mpath-top
	[ ! -d $(HOOKS) ] || install packaging/initramfs-hook $(HOOKS)/dm-mpath-rq
	$(depmod)

# The alias and mpath-top go with the last kernel's modules, and no directory stays that came with them.
uninstall:
	$(if $(ROOT),,packaging/check uninstall)
	rm -rf $(MODULES)/$(OURS)
	[ ! -d $(MODULES)/updates ] || rmdir --ignore-fail-on-non-empty $(MODULES)/updates
	ls -d $(ROOT)/lib/modules/*/$(OURS) 2>/dev/null || \
		rm -f $(CONF) $(HOOKS)/dm-mpath-rq $(SBIN)/mpath-top
	[ -z "$(ROOT)" ] || [ ! -d $(SBIN) ] || rmdir -p --ignore-fail-on-non-empty $(SBIN)
	$(depmod)

# Where a kernel's own modules are.
depmod = [ ! -e $(MODULES)/modules.order ] || depmod $(addprefix -b ,$(ROOT)) $(KVER)

demo:
	scripts/demo

check:
	scripts/check

bench:
	scripts/bench

patches:
	scripts/patches $(or $(KSRC),$(error KSRC is to name the source of a kernel))

# Needs graphviz.
picture: Documentation/request-path.svg Documentation/region-life.svg

%.svg: %.dot
	dot -Tsvg $< -o $@

.PHONY: modules clean install uninstall demo check bench patches picture
