# SPDX-License-Identifier: GPL-2.0-or-later
# How the tests are built and run; included by the Makefile.

# Every tests/unit/test_*.c and tests/kvm/test_*.c is one cmocka program, linked with all of the
# project but the two main() files, and with sys_ioctl() wrapped (tests/fake/ioctl.c).
lib_srcs := $(sort $(filter-out tools/main.c vmm/main.c,$(host_tool_srcs) $(vmm_prog_srcs)))
lib_objs := $(lib_srcs:%.c=$(O)/%.o)
fake_objs := $(patsubst %.c,$(O)/%.o,$(wildcard tests/fake/*.c))
unit_progs := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
# Scripts that say what they found as cmocka does (TAP), about the program they are given.
unit_scripts := $(sort $(filter-out %.c,$(wildcard tests/unit/*)))
# With the kernel's simulated network card, in the lab (tests/lab/full/netdevsim).
nsim_progs := $(patsubst %.c,$(O)/%,$(wildcard tests/netdevsim/test_*.c))
kvm_progs := $(patsubst %.c,$(O)/%,$(wildcard tests/kvm/test_*.c))

$(O)/libthruway.a: $(lib_objs)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(unit_progs): $(O)/%: $(O)/%.o $(fake_objs) $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=sys_ioctl,--wrap=hostfs_write -o $@ $< $(fake_objs) \
		$(O)/libthruway.a $(HOST_LDLIBS) $(VMM_LDLIBS) $(TEST_LDLIBS) -lcmocka

# Something happens right behind the scan.
$(O)/tests/unit/test_busy: TEST_LDLIBS = -Wl,--wrap=topo_scan
# A clock that goes on when somebody sleeps, and a count of the links that are read.
$(O)/tests/unit/test_vf_many: TEST_LDLIBS = -Wl,--wrap=nanosleep,--wrap=clock_gettime,--wrap=hostfs_link_name
# A close that lasts.
$(O)/tests/unit/test_vfio_plug: TEST_LDLIBS = -Wl,--wrap=close,--wrap=timerfd_settime
# Somebody else is there before the lock.
$(O)/tests/unit/test_udev_rules: TEST_LDLIBS = -Wl,--wrap=txn_begin
# Nobody is waited for as long as that.
$(addprefix $(O)/tests/unit/,test_vhost_user test_vhost_user_device): TEST_LDLIBS = -Wl,--wrap=poll
# A file that is a block device.
$(O)/tests/unit/test_virtio_blk: TEST_LDLIBS = -Wl,--wrap=fstat,--wrap=preadv,--wrap=malloc,--wrap=io_uring_submit
# What is written to it is looked at.
$(O)/tests/unit/test_virtio_vdpa: TEST_LDLIBS = -Wl,--wrap=write
# No descriptor is left.
$(O)/tests/unit/test_acceptor: TEST_LDLIBS = -Wl,--wrap=accept4
# Its guest asks again while it is served.
$(O)/tests/unit/test_virtio_turns: TEST_LDLIBS = -Wl,--wrap=getrandom,--wrap=virtq_push,--wrap=mem_discard
# Its driver adds something at the wrong moment.
$(O)/tests/unit/test_virtio_ring: TEST_LDLIBS = -Wl,--wrap=gmem_ptr
# A clock of their own (tests/fake/clock.h).
$(O)/tests/unit/test_irq_many $(O)/tests/unit/test_irq_trace: TEST_LDLIBS = -Wl,--wrap=loop_timer_new,--wrap=loop_timer_arm
# Reads of the device are counted.
$(O)/tests/unit/test_vfio_pba: TEST_LDLIBS = -Wl,--wrap=pread
# A PF that keeps what it is told of its VFs.
$(O)/tests/unit/test_failover_vf: TEST_LDLIBS = -Wl,--wrap=vf_link_read,--wrap=vf_link_set
# Leases and drivers are its own.
$(O)/tests/unit/test_failover_pick: TEST_LDLIBS = \
	-Wl,--wrap=lease_take,--wrap=lease_read,--wrap=lease_release,--wrap=change_bind,--wrap=vm_check_bound_for_run \
	-Wl,--wrap=change_return_vf,--wrap=change_forget_vf
# The host, its card and the VMM are its own.
$(O)/tests/unit/test_vm_failover: TEST_LDLIBS = \
	-Wl,--wrap=hotplug_open,--wrap=hotplug_close,--wrap=hotplug_fd,--wrap=hotplug_next \
	-Wl,--wrap=link_watch_open,--wrap=vm_client_open,--wrap=vm_attach_device,--wrap=vm_detach_device \
	-Wl,--wrap=failover_pick,--wrap=failover_pick_release,--wrap=failover_vf_look,--wrap=failover_vf_mac \
	-Wl,--wrap=failover_vf_claim,--wrap=failover_vf_ready,--wrap=failover_vf_rest,--wrap=failover_vf_note,--wrap=failover_pick_give_up \
	-Wl,--wrap=link_watch_read,--wrap=bridge_forget,--wrap=pf_read_interface,--wrap=pf_announce
# Its clock runs faster now and then; and what it keeps of a device.
$(O)/tests/unit/test_supervisor: TEST_LDLIBS = -Wl,--wrap=timerfd_settime,--wrap=vm_return_added
# The kernel's words and the VM are its own.
$(O)/tests/unit/test_vm_return: TEST_LDLIBS = \
	-Wl,--wrap=hotplug_open,--wrap=hotplug_close,--wrap=hotplug_fd,--wrap=hotplug_next \
	-Wl,--wrap=vm_client_open,--wrap=vm_attach_device
# The VM, and what is opened for it, are its own.
$(O)/tests/unit/test_vm_attach: TEST_LDLIBS = -Wl,--wrap=vm_client_call,--wrap=vm_client_call_with \
	-Wl,--wrap=vfio_container_open,--wrap=vfio_group_open
# What is put into the guest, and what came with the question.
$(O)/tests/unit/test_control_device: TEST_LDLIBS = \
	-Wl,--wrap=vfio_pci_plug,--wrap=ctl_take_fd,--wrap=virtio_balloon_ask,--wrap=virtio_balloon_get_state
# What goes to the clients.
$(O)/tests/unit/test_control_schema: TEST_LDLIBS = -Wl,--wrap=ctl_notify
# A clock of its own (tests/fake/clock.h), and what goes to the clients.
$(O)/tests/unit/test_alarm: TEST_LDLIBS = \
	-Wl,--wrap=loop_timer_new,--wrap=loop_timer_arm,--wrap=clock_gettime,--wrap=ctl_notify
# What it asks the kernel for.
$(O)/tests/unit/test_amx: TEST_LDLIBS = -Wl,--wrap=syscall,--wrap=x86_amx_on_host
# The messages it reads are libnl's.
$(O)/tests/unit/test_vf_link: TEST_LDLIBS = $(shell $(PKG_CONFIG) --libs libnl-3.0)

$(kvm_progs): $(O)/%: $(O)/%.o $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(O)/libthruway.a $(HOST_LDLIBS) $(VMM_LDLIBS) -lcmocka

# What routes cost this machine's KVM (tests/irq-counts).
$(O)/tests/kvm/routing_cost: $(O)/tests/kvm/routing_cost.o $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(HOST_LDLIBS)
-include $(O)/tests/kvm/routing_cost.d

# The card is on the bus "netdevsim", and what speaks of PCI devices is told so on the way.
$(nsim_progs): $(O)/%: $(O)/%.o $(O)/tests/netdevsim/card.o $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=dlsym -o $@ $< $(O)/tests/netdevsim/card.o \
		$(O)/libthruway.a $(HOST_LDLIBS) -lcmocka

$(unit_progs:=.o): EXTRA = $(HOST_CFLAGS)
# What lab tests preload or run in the emulated host.
lab_tools := $(addprefix $(O)/tests/lab/,fault.so hostile devices display netprobe records selfsend stream traffic fill populate \
	vectors where calls control-schema)
$(O)/tests/lab/fault.so: tests/lab/crash/fault.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared -o $@ $<
# For a guest's initramfs, which has no libraries. A build may be sanitized, a guest need not.
$(addprefix $(O)/tests/lab/,hostile devices display netprobe records selfsend stream traffic fill): $(O)/tests/lab/%: tests/lab/l2/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<
$(O)/tests/lab/display: tests/lab/l2/drm_mode.h

$(O)/tests/lab/populate: $(O)/tests/lab/measuring/populate.o $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^
-include $(O)/tests/lab/measuring/populate.d

# irq/ and vfio/ over a device of the emulated host; what they ask of the kernel is counted.
$(O)/tests/lab/vectors: $(O)/tests/lab/vfio/vectors.o $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=sys_ioctl -o $@ $^ $(HOST_LDLIBS) $(VMM_LDLIBS)
-include $(O)/tests/lab/vfio/vectors.d

# On which nodes of the host a process's pages lie; where the kernel calls a function.
$(addprefix $(O)/tests/lab/,where calls): $(O)/tests/lab/%: tests/lab/measuring/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $<

$(O)/tests/lab/control-schema: $(O)/tests/lab/l1/control_schema.o $(O)/tests/fake/json_schema.o \
		$(O)/tests/fake/control_schema.o $(O)/libthruway.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(HOST_LDLIBS)
-include $(O)/tests/lab/l1/control_schema.d

.SECONDARY: $(unit_progs:=.o) $(kvm_progs:=.o) $(nsim_progs:=.o) $(fake_objs)
-include $(unit_progs:=.d) $(kvm_progs:=.d) $(nsim_progs:=.d) $(O)/tests/netdevsim/card.d $(fake_objs:.o=.d)

.PHONY: lab-tools check-unit check-kvm check-lab check-full layer-check hdr-check scan-build \
	check-programs
check-programs: programs $(unit_progs) $(kvm_progs) $(nsim_progs)

lab-tools: $(lab_tools) $(kvm_progs) $(nsim_progs)

check-unit: $(unit_progs) $(O)/thruway
	@THRUWAY=$(O)/thruway tests/run-programs $(unit_progs) $(unit_scripts)

check-kvm: $(kvm_progs)
	@tests/run-programs $(kvm_progs)

layer-check:
	@tests/layer-check

check-lab: lab-tools
	@tests/lab/lab-test

check-full: deps
	@tests/check-full

# Each header alone, as the first line of a file.
headers := $(wildcard base/*.h vfio/*.h sriov/*.h host/*.h host/*/*.h irq/*.h vmm/*.h vmm/*/*.h tools/*.h \
	tests/fake/*.h tests/netdevsim/*.h)
hdr-check:
	@for h in $(headers); do \
		printf '#include "%s"\n' $$h | $(CC) $(ALL_CFLAGS) $(HOST_CFLAGS) -x c -fsyntax-only - \
			|| { echo "hdr-check: $$h does not stand alone"; exit 1; }; \
	done; echo "hdr-check: $(words $(headers)) headers stand alone"

# What scan-build does, without compiling each file a second time. The analyzer of Debian's clang
# does not see cleanup attributes run and takes each for a leak; leaks are AddressSanitizer's to
# find (make SANITIZE=address,undefined check-unit).
analyzed := $(patsubst %.c,$(O)/analyzed/%,$(sort $(host_tool_srcs) $(vmm_prog_srcs)))
$(analyzed): EXTRA = $(HOST_CFLAGS) -DTHRUWAY_LIBEXECDIR='"$(LIBEXECDIR)"'
$(analyzed): $(O)/analyzed/%: %.c Makefile tests/analyze
	@mkdir -p $(@D)
	$(call say,ANALYZE,$<)
	$(Q)tests/analyze $< $@.d $@ $(filter-out -O% -D_FORTIFY_SOURCE=%,$(ALL_CFLAGS)) $(EXTRA)
	@touch $@
-include $(analyzed:=.d)
scan-build: $(analyzed)
	@echo "scan-build: $(words $(analyzed)) files, nothing found"
