# SPDX-License-Identifier: GPL-2.0-or-later
# One non-recursive Makefile; each folder lists its sources in module.mk. `make help`.

VERSION    := 0.1.0
PREFIX     ?= /usr
DESTDIR    ?=
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR     ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/vendor-completions
UNITDIR    ?= $(PREFIX)/lib/systemd/system
DOCDIR     ?= $(PREFIX)/share/doc/thruway
DATADIR    ?= $(PREFIX)/share/thruway
UDEVDIR    ?= $(PREFIX)/lib/udev
MODLOADDIR ?= $(PREFIX)/lib/modules-load.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
INITRAMFSDIR ?= $(PREFIX)/share/initramfs-tools
DRACUTDIR  ?= $(PREFIX)/lib/dracut/modules.d

O          ?= build
CC         ?= gcc
WERROR     ?= 1
SANITIZE   ?=
# The sanitizers look at what the sources say; an optimizer's work only takes from that, and time.
CFLAGS     ?= $(if $(SANITIZE),-O0,-O2) -g
V          ?= 0
PKG_CONFIG ?= pkg-config

all: programs

include $(wildcard base/module.mk vfio/module.mk sriov/module.mk host/module.mk \
	irq/module.mk vmm/module.mk tools/module.mk tests/module.mk)

# --- what the programs are made of -----------------------------------------------------------

host_tool_srcs := $(base_srcs) $(base_host_srcs) $(vfio_srcs) $(vfio_host_srcs) $(sriov_srcs) \
	$(host_srcs) $(tools_srcs) vmm/handover.c
vmm_prog_srcs  := $(base_srcs) $(vfio_srcs) $(irq_srcs) $(vmm_srcs)

# One is linked, its archive: a shared one costs every start nine system calls. The others are
# loaded by the one file that uses them (base/dl.h).
LINKED_LIBS := jansson
VMM_LIBS := $(LINKED_LIBS) liburing
LOADED_LIBS := libpci libnl-3.0 libnl-route-3.0 libnl-genl-3.0 libkmod libudev mount yaml-0.1
HOST_LIBS := $(VMM_LIBS) $(LOADED_LIBS)
ifneq ($(MAKECMDGOALS),)
NEED_LIBS := $(filter-out help deps clean layer-check check check-full check-lab demo,$(MAKECMDGOALS))
else
NEED_LIBS := all
endif
ifneq ($(NEED_LIBS),)
HOST_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(HOST_LIBS) 2>/dev/null)
HOST_LDLIBS := -Wl,-Bstatic $(shell $(PKG_CONFIG) --libs $(LINKED_LIBS) 2>/dev/null) -Wl,-Bdynamic
ifneq ($(shell $(PKG_CONFIG) --exists $(HOST_LIBS) || echo missing),)
$(error libraries are missing: $(shell $(PKG_CONFIG) --print-errors --exists $(HOST_LIBS) 2>&1 | head -n 1); run 'make deps')
endif
endif

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Wno-unused-parameter \
	-Wno-missing-field-initializers
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2
# What nothing calls is not linked, and nothing unwinds: the VMM's own pages are half its memory.
SMALL := -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
ifneq ($(SANITIZE),)
SMALL   :=
HARDEN  := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
O       := $(O)/sanitize
endif

ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DTHRUWAY_VERSION='"$(VERSION)"' -I. -pthread \
	$(HARDEN) $(SMALL) $(WARNINGS) $(CFLAGS)
# The VMM must not reach the host's libraries, so it is not even shown their headers.
VMM_CFLAGS = $(ALL_CFLAGS) -fPIE
LINK_HARDEN := -Wl,-z,relro,-z,now -pie

ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
else
Q :=
say =
endif

host_objs := $(host_tool_srcs:%.c=$(O)/%.o)
vmm_objs  := $(vmm_prog_srcs:%.c=$(O)/%.o)

$(host_objs) : EXTRA = -fPIE $(HOST_CFLAGS) -DTHRUWAY_LIBEXECDIR='"$(LIBEXECDIR)"'
$(vmm_objs)  : EXTRA = -fPIE
# The VMM links the archives of two: JSON, for its control socket, and io_uring, for disks.
VMM_LDLIBS = $(shell $(PKG_CONFIG) --libs $(VMM_LIBS) 2>/dev/null)

# What is compiled in and may be said anew: make, then make install PREFIX=/opt/x.
$(O)/libexecdir: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBEXECDIR)' | cmp -s - $@ || echo '$(LIBEXECDIR)' >$@
$(O)/tools/vmm_process.o: $(O)/libexecdir
FORCE:

.PHONY: all programs demo check help deps clean install FORCE
programs: $(O)/thruway $(O)/thruway-vmm

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

$(O)/thruway: $(host_objs)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_HARDEN) $(LDFLAGS) -o $@ $^ $(HOST_LDLIBS)

# Static and position independent: no loader, no libraries to search, few relocations.
ifeq ($(SANITIZE),)
VMM_LINK := -static-pie -Wl,-z,relro,-z,now -Wl,--gc-sections
else
VMM_LINK := -pie
endif
$(O)/thruway-vmm: $(vmm_objs)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(VMM_LINK) $(LDFLAGS) -o $@ $^ $(VMM_LDLIBS)

-include $(host_objs:.o=.d) $(vmm_objs:.o=.d)

include tests/tests.mk

# --- everything around it ----------------------------------------------------------------------

# What the README begins with.
demo:
	@tools/deps.sh demo
	@tests/demo

# The gate. Packages first: what is missing is installed when asked (CI=true, DEPS=auto), or named.
check: deps
	@tests/check

deps:
	@tools/deps.sh

clean:
	rm -rf $(O) tests/lab/out

install: programs
	install -D -m 0755 $(O)/thruway $(DESTDIR)$(SBINDIR)/thruway
	install -D -m 0755 $(O)/thruway-vmm $(DESTDIR)$(LIBEXECDIR)/thruway/thruway-vmm
	for page in man/*; do \
		install -D -m 0644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; \
	done
	@mkdir -p $(DESTDIR)$(UNITDIR)
	for unit in udev-rules/*.service udev-rules/*.timer; do \
		sed 's,/usr/sbin/thruway,$(SBINDIR)/thruway,' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} && \
		chmod 0644 $(DESTDIR)$(UNITDIR)/$${unit##*/} || exit; \
	done
	@mkdir -p $(DESTDIR)$(UDEVDIR)/rules.d
	sed 's,/usr/sbin/thruway,$(SBINDIR)/thruway,' udev-rules/70-thruway.rules \
		>$(DESTDIR)$(UDEVDIR)/rules.d/70-thruway.rules
	chmod 0644 $(DESTDIR)$(UDEVDIR)/rules.d/70-thruway.rules
	install -D -m 0644 completions/thruway.bash $(DESTDIR)$(BASHCOMPDIR)/thruway
	install -D -m 0644 completions/_thruway $(DESTDIR)$(ZSHCOMPDIR)/_thruway
	install -D -m 0644 udev-rules/modules-load.conf $(DESTDIR)$(MODLOADDIR)/thruway.conf
	install -D -m 0644 udev-rules/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/thruway.conf
	install -D -m 0755 udev-rules/initramfs-hook $(DESTDIR)$(INITRAMFSDIR)/hooks/thruway
	install -D -m 0755 udev-rules/dracut-module-setup.sh \
		$(DESTDIR)$(DRACUTDIR)/90thruway/module-setup.sh
	install -D -m 0644 docs/control.schema.json $(DESTDIR)$(DATADIR)/control.schema.json
	install -D -m 0644 README.md $(DESTDIR)$(DOCDIR)/README.md

help:
	@echo 'make                 build/thruway and build/thruway-vmm'
	@echo 'make demo            a VF reaches a guest, in an emulated host, each step told'
	@echo 'make check           unit, KVM and lab tests, and the demo: the gate'
	@echo 'make check-unit      unit tests alone (seconds)'
	@echo 'make check-lab       lab tests alone (ONLY=NAME picks)'
	@echo 'make check-full      whole loops and matrices; hours; writes docs/results/'
	@echo 'make layer-check hdr-check scan-build    structure and static analysis'
	@echo 'make deps            what apt must install, and install it when asked'
	@echo 'make install         PREFIX=$(PREFIX) DESTDIR='
	@echo 'Variables: CC=gcc|clang SANITIZE=address,undefined V=1 WERROR=0 O=build'
