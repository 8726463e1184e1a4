# SPDX-License-Identifier: GPL-2.0-only
#
# The Makefile for people. kbuild reads Kbuild instead.
#   make [KVER=release]				build the modules, for the running kernel or a release
#   make [KVER=release] install, uninstall	as root; see Documentation/install.rst
#   make dkms-tree				as root; put the sources where DKMS looks for them
#   make patches KSRC=tree			generate the patch series for a kernel (7.3, 6.12 or 6.1) in build/patches
#   make version				print the version
# If DESTDIR or INSTALL_MOD_PATH is set, we install into that tree and do not look at this machine.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
# The directory of the built modules.
M ?= $(CURDIR)

# The version is bumped in debian/changelog only, because dpkg reads this file.
VERSION = $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)

INSTALL_MOD_PATH ?= $(DESTDIR)
ROOT = $(INSTALL_MOD_PATH)
MODULES = $(ROOT)/lib/modules/$(KVER)
OURS = updates/dm-mpath-rq
CONF = $(ROOT)/etc/modprobe.d/dm-mpath-rq.conf
HOOKS = $(ROOT)/etc/initramfs-tools/hooks
# Directories below ROOT. We may have to create them, and then remove them on uninstall.
SBIN = usr/sbin
MAN = usr/share/man/man8
COMPLETIONS = usr/share/bash-completion/completions
MAN_PAGES = mpath-top.8 dm-mpath-rq.8
DKMS_TREE = $(ROOT)/usr/src/dm-mpath-rq-$(VERSION)

modules:
	$(MAKE) -C $(KDIR) M=$(M) modules

clean:
	$(MAKE) -C $(KDIR) M=$(M) clean
	rm -rf build

# We do not compress the modules even if the kernel compresses its own, and we sign them only if the kernel's
# key is present, because distributions do not ship it.
INSTALL_CONFIG = CONFIG_MODULE_COMPRESS_ALL=
INSTALL_CONFIG += $(if $(wildcard $(KDIR)/certs/signing_key.x509),,CONFIG_MODULE_SIG_ALL=)

install:
	packaging/check no-dkms $(MODULES)
	packaging/check built $(M) $(KVER)
	$(if $(ROOT),,packaging/check install)
	$(MAKE) -C $(KDIR) M=$(M) INSTALL_MOD_PATH=$(ROOT) INSTALL_MOD_DIR=$(OURS) $(INSTALL_CONFIG) modules_install
	install -D -m 644 packaging/dm-mpath-rq.conf $(CONF)
	[ ! -d $(HOOKS) ] || install packaging/initramfs-hook $(HOOKS)/dm-mpath-rq
	$(MAKE) --no-print-directory install-tools
	$(depmod)

# Install everything but the modules and their alias. The Debian package uses this target, too.
install-tools:
	install -d $(addprefix $(ROOT)/,$(SBIN) $(MAN) $(COMPLETIONS))
	sed 's/@VERSION@/$(VERSION)/' tools/mpath-top >$(ROOT)/$(SBIN)/mpath-top
	chmod 755 $(ROOT)/$(SBIN)/mpath-top
	install -m 644 packaging/completions/mpath-top $(ROOT)/$(COMPLETIONS)/mpath-top
	$(if $(RST2MAN),$(foreach page,$(MAN_PAGES),$(call man_page,$(page)) &&) true,\
		@echo "Note: the man pages are not installed because there is no rst2man (python3-docutils).")

RST2MAN = $(shell command -v rst2man)
man_page = $(RST2MAN) packaging/man/$(1).rst | sed 's/@VERSION@/$(VERSION)/' >$(ROOT)/$(MAN)/$(1)

# Remove the alias and the tools together with the last kernel's modules. If a directory is then empty, we remove
# this as well, to leave nothing behind.
uninstall:
	$(if $(ROOT),,packaging/check uninstall)
	rm -rf $(MODULES)/$(OURS)
	[ ! -d $(MODULES)/updates ] || rmdir --ignore-fail-on-non-empty $(MODULES)/updates
	ls -d $(ROOT)/lib/modules/*/$(OURS) 2>/dev/null || \
		$(MAKE) --no-print-directory uninstall-tools
	$(depmod)

uninstall-tools:
	rm -f $(CONF) $(HOOKS)/dm-mpath-rq $(addprefix $(ROOT)/,$(SBIN)/mpath-top $(COMPLETIONS)/mpath-top \
		$(addprefix $(MAN)/,$(MAN_PAGES)))
	cd $(ROOT)/ && for dir in $(SBIN) $(MAN) $(COMPLETIONS); do \
		[ ! -d $$dir ] || rmdir -p --ignore-fail-on-non-empty $$dir; done

# A kernel's own modules are in this directory if it has a modules.order.
depmod = [ ! -e $(MODULES)/modules.order ] || depmod $(addprefix -b ,$(ROOT)) $(KVER)

DKMS_SOURCES = $(filter-out %.mod.c,$(wildcard $(addsuffix *.[ch],./ mpath/ ps/ iot/ include/ include/linux/)))

dkms-tree:
	install -d $(DKMS_TREE)
	cp --parents --preserve=timestamps $(DKMS_SOURCES) Kbuild Makefile $(DKMS_TREE)
	sed 's/#MODULE_VERSION#/$(VERSION)/' dkms.conf >$(DKMS_TREE)/dkms.conf

version:
	@echo $(VERSION)

demo:
	scripts/demo

check:
	scripts/check

bench:
	scripts/bench

patches:
	scripts/patches $(or $(KSRC),$(error set KSRC to the source tree of a kernel))

# This needs graphviz.
picture: Documentation/request-path.svg Documentation/region-life.svg

%.svg: %.dot
	dot -Tsvg $< -o $@

.PHONY: modules clean install install-tools uninstall uninstall-tools dkms-tree version demo check bench patches picture
