// SPDX-License-Identifier: GPL-2.0-or-later
/* What `vm run` accepts on its command line, and what each bad value is told. */
#include "tools/vm_opts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/size.h"
#include "tools/command.h"

#define MAX_ARGS 80
#define TOKEN	 "2ab74924-c335-45f4-9b16-8569e5b08258"

static const struct command command = { .name = "vm run", .synopsis = "", .summary = "",
					.help = vm_run_help,
					.takes = TAKES_FORCE | TAKES_LOCK };
static struct ctx ctx;

/* Split "a b c" in place of a shell. */
static int parse(const char *line, struct vm_opts *ret, struct err *err)
{
	static char copy[4096];
	static char name[] = "run";
	char *argv[MAX_ARGS] = { name };
	int argc = 1;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (char *save, *word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < MAX_ARGS - 1);
		argv[argc++] = word;
	}
	ctx = (struct ctx){ .root = -1, .out = stderr, .command = &command };
	return vm_opts_parse(&ctx, argc, argv, ret, err);
}

static void test_defaults_are_those_the_help_states(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("--kernel k", &o, &err), 0);
	assert_string_equal(o.kernel, "k");
	assert_string_equal(o.cmdline, "console=ttyS0");
	assert_int_equal(o.memory.size, 512 * MiB);
	assert_int_equal(o.memory.kind, VM_KIND_UNSAID);
	assert_false(o.memory.said);
	assert_int_equal(o.cpus.count, 1);
	assert_int_equal(o.nodes, 1);
	assert_int_equal(o.slots.count, 0);
	assert_false(o.bind);
}

static void test_every_option_reaches_its_field(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --initrd i -c 4,cores=1,threads=2 --cpu host,-avx2,+nested,realtime --sched fifo:9 --pin 7,2-4 --no-exits pause --halt-poll 5000 --latency low -m 2G,backend=hugetlb-1G --nodes 2 --node 1,cpus=0-1 --node 0 -d 01:10.0 "
			       "--device eth0/vf3,token=" TOKEN " --bind --force=route --no-reboot --stats s "
			       "--hotplug-slots 2,pref=16G --lock-timeout 5", &o, &err), 0);
	assert_int_equal(o.cpus.count, 4);
	assert_int_equal(o.cpus.topology.sockets, 2);
	assert_int_equal(o.cpus.topology.threads, 2);
	assert_int_equal(o.cpu.hidden[CPU_7_0_EBX], 1 << 5);
	assert_true(o.cpu.nested);
	assert_int_equal(o.pin.count, 4);
	assert_int_equal(o.pin.cpu[0], 7);
	assert_int_equal(o.pin.fifo, 9);
	assert_int_equal(o.idle.keep, IDLE_KEEP_HLT | IDLE_KEEP_PAUSE);
	assert_true(o.idle.poll && o.low_latency);
	assert_int_equal(o.idle.poll_ns, 5000);
	assert_int_equal(o.memory.size, 2 * GiB);
	assert_int_equal(o.memory.kind, MEM_HUGETLB_1G);
	assert_int_equal(o.node[1].cpus[0], 3);
	assert_true(o.node[0].said);
	assert_false(o.node[2].said);
	assert_int_equal(o.nodes, 2);
	assert_int_equal(o.slots.count, 2);
	assert_int_equal(o.slots.slot[1].pref, 16 * GiB);
	assert_int_equal(o.slots.slot[1].node, 0);
	assert_int_equal(o.device_count, 2);
	assert_string_equal(o.devices[0].token, "");
	assert_string_equal(o.devices[1].name, "eth0/vf3");
	assert_string_equal(o.devices[1].token, TOKEN);
	assert_true(o.bind && o.no_reboot);
	assert_true(ctx.force != 0);
	assert_int_equal(ctx.lock_timeout_s, 5);
}

/* "NODE[:MiB] …" of the slots, in order. */
static void slots_are(const char *line, unsigned nodes, const char *expected)
{
	struct spare_slot place[SPARE_SLOTS_MAX];
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;
	char text[256] = "";

	assert_int_equal(parse(line, &o, &err), 0);
	assert_int_equal(vm_slot_opts_place(&o.slots, nodes, place, &err), 0);
	for (unsigned i = 0; i < o.slots.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 place[i].pref ? " %u:%u" : " %u", place[i].node,
			 (unsigned)(place[i].pref / MiB));
	assert_string_equal(text, expected);
}

static void test_slots_that_name_no_node_are_on_all_of_them(void **state)
{
	slots_are("-k k --hotplug-slots 0", 1, "");
	slots_are("-k k --hotplug-slots 3", 1, " 0 0 0");
	slots_are("-k k -c 2 --nodes 2 --hotplug-slots 3", 2, " 0 1 0");
	slots_are("-k k -c 2 --nodes 2 --hotplug-slots 2,node=1,pref=64M", 2, " 1:64 1:64");
	/* What is said of one node counts for who says nothing, whatever comes first. */
	slots_are("-k k -c 2 --nodes 2 --hotplug-slots 3,pref=2M --hotplug-slots 1,node=0,pref=1G", 2,
		  " 1:2 0:2 1:2 0:1024");
	slots_are("-k k --hotplug-slots 16,node=0", 1, " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
}

static void test_words_of_a_device_are_the_same_for_who_attaches_it(void **state)
{
	struct vm_opt_device d;
	struct err err = ERR_INIT;

	assert_int_equal(vm_device_opts_parse("vm attach", "01:10.0", &d, &err), 0);
	assert_false(d.seen || d.node);
	assert_int_equal(vm_device_opts_parse("vm attach", "01:10.0,rom=on,node=3", &d, &err), 0);
	assert_int_equal(d.rom, VMM_ROM_DEVICE);
	assert_true(d.seen);
	assert_int_equal(d.node, 4);
	assert_int_equal(vm_device_opts_parse("vm attach", "01:10.0,msix=move,romfile=a,b", &d, &err), 0);
	assert_true(d.seen && d.move_msix);
	assert_string_equal(d.romfile, "a,b");
	/* Neither of these is for the guest to see. */
	assert_int_equal(vm_device_opts_parse("vm attach", "01:10.0,intx=shared,token=" TOKEN, &d, &err), 0);
	assert_false(d.seen);
	assert_int_equal(vm_device_opts_parse("vm attach", "01:10.0,frob=1", &d, &err), -EINVAL);
	assert_string_equal(err.text, "vm attach: 'frob=1' after the device is not known");
	assert_true(err.usage);
	assert_non_null(strstr(err.hint, "node=N"));
	assert_false(d.seen); /* as it was */
}

static void test_bad_lines_exit_with_usage_and_name_the_value(void **state)
{
	static const struct {
		const char *line, *word;
	} rows[] = {
		{ "", "no kernel" },
		{ "-k k --cpus 0", "'0'" },
		{ "-k k --cpus 256", "'256'" },
		{ "-k k --cpus 2x", "'2x'" },
		{ "-k k --cpus -1", "'-1'" },
		{ "-k k --cpus 4,", "'' is not among" },
		{ "-k k --cpus 4,core=2", "'core=2' is not among" },
		{ "-k k --cpus 4,cores", "'cores' is not among" },
		{ "-k k --cpus 4,cores=2,cores=2", "cores= is given twice" },
		{ "-k k --cpus 4,cores=0", "'cores=0'" },
		{ "-k k --cpus 4,threads=4", "'threads=4'" },
		{ "-k k --cpus 4,cores=3", "3 CPUs, not 4" },
		{ "-k k --cpus 4,sockets=2,dies=2,cores=2", "8 CPUs, not 4" },
		{ "-k k --cpus 4,sockets=8", "8 CPUs, not 4" },
		{ "-k k --cpus 4,sockets=1 --nodes 2", "CPU 2 is on guest node 1" },
		{ "-k k --cpus 255,cores=3", "APIC id 338" },
		{ "-k k --cpu host,-avx9", "'avx9'" },
		{ "-k k --cpu host --cpu host", "twice" },
		{ "-k k -c 2 --pin 1", "1 CPUs of the host for 2" },
		{ "-k k --pin 1-2", "2 CPUs of the host for 1" },
		{ "-k k --pin x", "'x'" },
		{ "-k k --sched fifo", "--sched means something with --pin" },
		{ "-k k --pin 1 --sched rr", "'rr'" },
		{ "-k k --cpu host,realtime", "realtime means something with --pin" },
		{ "-k k --no-exits hlt", "--no-exits means something with --pin" },
		{ "-k k --no-exits mwait", "--no-exits means something with --pin" },
		{ "-k k --pin 1 --no-exits monitor", "'monitor'" },
		{ "-k k --pin 1 --no-exits hlt,", "'hlt,'" },
		{ "-k k --pin 1 --no-exits mwait,hlt,mwait", "'mwait,hlt,mwait'" },
		{ "-k k --halt-poll -1", "'-1'" },
		{ "-k k -d 01:10.0 --irq nowhere", "'nowhere' is not possible" },
		{ "-k k --irq follow", "--irq means something with --device or --hotplug-slots only" },
		{ "-k k --halt-poll 1000000001", "0 to 1000000000" },
		{ "-k k --latency low", "--latency low means something with --pin" },
		{ "-k k --pin 1 --latency none", "'none'" },
		{ "-k k -m 0", "0 bytes" },
		{ "-k k -m 1", "1 MiB" },
		{ "-k k -m 99999999T", "not a size" },
		{ "-k k -m 17T", "GiB" },
		{ "-k k -m lots", "'lots'" },
		{ "-k k -m 513M,backend=hugetlb-1G", "1 GiB" },
		{ "-k k -m 33M", "2 MiB" },
		{ "-k k -m 512M,backend=disk", "'disk'" },
		{ "-k k -m 512M,pages=big", "'pages'" },
		{ "-k k --nodes 0", "'0'" },
		{ "-k k --nodes 2", "--cpus 2" },
		{ "-k k -c 2 --node 1", "--node 0 is missing" },
		{ "-k k -c 2 --nodes 2 --node 2", "0 to 1" },
		{ "-k k -c 2 --node 0 --node 0", "node 0 is given twice" },
		{ "-k k -m 1G -m 1G", "twice" },
		{ "-k k -m 1G,merge=on -d 01:10.0", "merge=on" },
		{ "-k k --hotplug-slots 17", "0 to 16" },
		{ "-k k --hotplug-slots -1", "'-1'" },
		{ "-k k --hotplug-slots 0000000000000000001,pref=2M", "not a number" },
		{ "-k k --hotplug-slots ,pref=2M", "''" },
		{ "-k k --hotplug-slots 2,mem=2M", "'mem=2M'" },
		{ "-k k --hotplug-slots 2,", "'' after the number" },
		{ "-k k --hotplug-slots 2,node=8", "'node=8' is no node" },
		{ "-k k --hotplug-slots 2,node=", "'node=' is no node" },
		{ "-k k --hotplug-slots 2,node=1", "the guest has no node 1" },
		{ "-k k --hotplug-slots 2,node=0,node=0", "'node=' is there twice" },
		{ "-k k --hotplug-slots 2,pref=1M,pref=1M", "'pref=' is there twice" },
		{ "-k k --hotplug-slots 2,pref=0000000000000000000000000002M", "is no size" },
		{ "-k k --hotplug-slots 0,node=0", "a node for none of them" },
		{ "-k k --hotplug-slots 9 --hotplug-slots 8", "9 and 8 more are more than 16" },
		{ "-k k --hotplug-slots 2,pref=", "'pref='" },
		{ "-k k --hotplug-slots 2,pref=512K", "'pref=512K'" },
		{ "-k k --hotplug-slots 2,pref=1025K", "'pref=1025K'" },
		{ "-k k --hotplug-slots 2,pref=2048G", "'pref=2048G'" },
		{ "-k k -d 01:10.0 -d 01:10.0", "twice" },
		{ "-k k -d 01:10.0 -d 01:10.0,token=" TOKEN, "twice" },
		{ "-k k -d ,token=" TOKEN, "no device's name" },
		{ "-k k -d 0123456789012345678901234567890123456789012345678901234567890123",
		  "no device's name" },
		{ "-k k -d 01:10.0,token", "'token'" },
		{ "-k k -d 01:10.0,key=" TOKEN, "'key=" TOKEN "' after" },
		{ "-k k -d 01:10.0,token=", "'' is not a VF token" },
		{ "-k k -d 01:10.0,token=2ab74924-c335-45f4-9b16-8569e5b0825", "VF token" },
		{ "-k k -d 01:10.0,token=" TOKEN "0", "VF token" },
		{ "-k k -d 01:10.0,token=2ab74924-c335-45f4-9b16_8569e5b08258", "VF token" },
		{ "-k k -d 01:10.0,token=gab74924-c335-45f4-9b16-8569e5b08258", "VF token" },
		{ "-k k -d 01:10.0,token=" TOKEN ",token=" TOKEN, "'token=' is there twice" },
		{ "-k k -d 01:10.0,rom=yes", "'rom=yes' is neither 'rom=on' nor 'rom=off'" },
		{ "-k k -d 01:10.0,node=1", "--device 01:10.0: the guest has no node 1" },
		{ "-k k -d 01:10.0,node=8", "--device: 'node=8' is no node of a guest, 0 to 7" },
		{ "-k k -d 01:10.0,node=", "'node=' is no node" },
		{ "-k k -d 01:10.0,rom=on,romfile=f", "exclude each other" },
		{ "-k k -d 01:10.0,romfile=", "names no file" },
		{ "-k k -d 01:10.0,msix=off", "'msix=off' is not 'msix=move'" },
		{ "-k k -d 01:10.0,intx=off", "'intx=off' is not 'intx=shared'" },
		{ "-k k -d 01:10.0,rom=off,romfile=f", "exclude each other" },
		{ "-k k -d 01:10.0,gpudirect-clique=16", "0 to 15" },
		{ "-k k -d 01:10.0,gpudirect-clique=", "0 to 15" },
		{ "-k k -d 01:10.0,gpudirect-clique=123456789", "0 to 15" },
		{ "-k k -d 01:10.0,", "'' after" },
		{ "-k k --nic br0", "'br0' is no network device" },
		{ "-k k --nic vf=eth0/vf0", "'vf=' without 'standby='" },
		{ "-k k --nic standby=tap:br0", "'standby=' without 'vf='" },
		{ "-k k --nic tap:br0,vf=eth0/vf0", "'vf=' without 'standby='" },
		{ "-k k --nic vf=,standby=tap:br0", "'vf=' names nothing" },
		{ "-k k --nic vf=pool:,standby=tap:br0", "'vf=pool:' names no pool" },
		{ "-k k --nic vf=a,standby=", "'standby=' names nothing" },
		{ "-k k --nic vf=a,vf=b,standby=tap:br0", "'vf=' is there twice" },
		{ "-k k --nic tap:br0,mac=52:54:00:00:00:01 --nic tap:br0 --nic tap:br0,mac=52:54:00:00:00:01",
		  "network devices 0 and 2 have the same mac=" },
		{ "-k k --nic vf=a,standby=tap:a,standby=tap:b", "'standby=' is there twice" },
		{ "-k k --nic vf=a,standby=br0", "'br0' is no network device" },
		{ "-k k --nic vf=a,standby=vhost-user:", "names no socket" },
		{ "-k k --nic vf=a,standby=vhost-user:/x,vhost=off", "vhost= is for a tap" },
		{ "-k k --nic vf=a,standby=vdpa:x", "vdpa is not there yet" },
		{ "-k k --nic vf=a,standby=tap:br0,frob=9", "frob=9" },
		{ "-k k --nic vf=a,standby=tap:br0,mac=1", "no MAC of one device" },
		{ "-k k --nic vf=a23456789a23456789a23456789a23456789a23456789a23456789a23456789a234,standby=tap:b",
		  "is no name of a VF" },
		{ "-k k --nic vf=a,standby=tap:a --nic vf=a,standby=tap:b", "a is given twice" },
		{ "-k k --nic vf=a,standby=tap:a -d a", "a is given with --device, too" },
		{ "-k k -m 1G,merge=on --nic vf=a,standby=tap:a", "merge=on moves it" },
		{ "-k k --nic tap:", "'' is no name of a bridge" },
		{ "-k k --nic tap:a-name-of-16-byte", "no name of a bridge" },
		{ "-k k --nic tap:a/b", "no name of a bridge" },
		{ "-k k --nic tap:br0,speed=9000", "'speed=9000' is not possible" },
		{ "-k k --nic tap:br0,", "'' is not possible" },
		{ "-k k --nic tap:br0,mtu=67", "'mtu=67' is not possible" },
		{ "-k k --nic tap:br0,mtu=65522", "'mtu=65522' is not possible" },
		{ "-k k --nic tap:br0,queues=0", "'queues=0' is not possible" },
		{ "-k k --nic tap:br0,queues=9", "'queues=9' is not possible" },
		{ "-k k --nic tap:br0,vhost=maybe", "'vhost=maybe' is not possible" },
		{ "-k k --nic tap:br0,packed=on", "vhost-net has no packed rings" },
		{ "-k k --nic macvtap:m0,packed=on,vhost=on", "vhost-net has no packed rings" },
		{ "-k k --nic tap:br0,vhost=off,packed=1", "'packed=1' is not possible" },
		{ "-k k --rings round", "'round' is not possible" },
		{ "-k k --nic macvtap:", "'' is no name of a macvtap" },
		{ "-k k --nic macvtap:m0,mac=02:00:00:00:00:01", "a macvtap has its own MAC" },
		{ "-k k --nic macvtap:m0,mtu=1500", "a macvtap has its own MTU" },
		{ "-k k --nic tap:br0,mac=01:00:00:00:00:01", "no MAC of one device" },
		{ "-k k --nic tap:br0,mac=00:00:00:00:00:00", "no MAC of one device" },
		{ "-k k --nic tap:br0,mac=02:00:00:00:00", "no MAC of one device" },
		{ "-k k --nic tap:br0,mac=02:00:00:00:00:01:02", "no MAC of one device" },
		{ "-k k --nic tap:br0,mac=2:0:0:0:0:1", "no MAC of one device" },
		{ "-k k --force route", "--bind" },
		{ "-k k --vsock 3", "'3' is no address" },
		{ "-k k --vsock cid=", "'' is not a number from 3 to 4294967294" },
		{ "-k k --vsock cid=2", "'2' is not a number from 3" },
		{ "-k k --vsock cid=4294967295", "'4294967295' is not" },
		{ "-k k --vsock cid=3x", "'3x' is not" },
		{ "-k k --vsock cid=3 --vsock cid=4", "--vsock is given twice" },
		{ "-k k --nic vdpa:", "'' is no name of a vDPA device" },
		{ "-k k --nic vdpa:/dev/x/y", "'x/y' is no name of a vDPA device" },
		{ "-k k --nic vdpa:..", "'..' is no name of a vDPA device" },
		{ "-k k --nic vdpa:v,queues=2", "'queues=2' is not possible with vdpa" },
		{ "-k k --scsi naa.5001405bd1f5e3a2", "'naa.5001405bd1f5e3a2' is no target" },
		{ "-k k --scsi wwpn=", "'wwpn=' is no target" },
		{ "-k k --scsi wwpn=eui.5001405bd1f5e3a2", "is no target" },
		{ "-k k --scsi wwpn=naa.5/../x", "is no target" },
		{ "-k k --scsi wwpn=naa.5,queues=0", "'queues=0' is not possible" },
		{ "-k k --scsi wwpn=naa.5,queues=9", "'queues=9' is not possible" },
		{ "-k k --scsi wwpn=naa.5,readonly", "'readonly' is not possible" },
		{ "-k k --scsi wwpn=naa.5 --scsi wwpn=naa.5", "the target naa.5 is given twice" },
		{ "-k k --scsi wwpn=naa.1 --scsi wwpn=naa.2 --scsi wwpn=naa.3 --scsi wwpn=naa.4 --scsi wwpn=naa.5",
		  "at most 4" },
		{ "-k k --console vga", "'vga' is not possible" },
		{ "-k k --console virtio --console serial", "--console is given twice" },
		{ "-k k --port name=a", "'name=a' is no port" },
		{ "-k k --port name=a,pty --port name=a,socket=/x", "the name a is given twice" },
		{ "-k k --port name=a,socket=/x --port name=b,socket=/x", "the socket /x is given twice" },
		{ "-k k --port name=a,pty --port name=b,pty --port name=c,pty --port name=d,pty --port name=e,pty "
		  "--port name=f,pty --port name=g,pty --port name=h,pty --port name=i,pty", "at most 8" },
		{ "-k k --frobnicate", "--frobnicate" },
		{ "-k k -m", "needs an argument" },
		{ "-k k vm stray", "'stray'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_opts o = { .cpus.count = 77 };
		struct err err = ERR_INIT;

		if (parse(rows[i].line, &o, &err) != -EINVAL || !strstr(err.text, rows[i].word))
			fail_msg("'%s' gave: %s", rows[i].line, err.text);
		assert_int_equal(err_exit_status(&err), 2);
		assert_int_equal(o.cpus.count, 77); /* untouched on failure */
	}
}

static void test_more_devices_than_fit_are_refused(void **state)
{
	char line[2048] = "-k k";
	struct vm_opts o;
	struct err err = ERR_INIT;

	for (unsigned i = 0; i <= HANDOVER_MAX_DEVICES; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " -d%u", i);
	assert_int_equal(parse(line, &o, &err), -EINVAL);
	assert_non_null(strstr(err.text, "at most 32"));
}

static void test_help_needs_no_kernel(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("--help", &o, &err), -ECANCELED);
	assert_int_equal(err.code, 0);
}

static void test_the_limit_of_cpus_is_explained_to_who_went_over_it(void **state)
{
	static const struct {
		const char *line;
		bool explained;
	} rows[] = { { "-k k --cpus 256", true }, { "-k k --cpus 1.5", false },
		     { "-k k --cpus 0", false } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_opts o = { .cpus.count = 1 };
		struct err err = ERR_INIT;

		assert_int_equal(parse(rows[i].line, &o, &err), -EINVAL);
		assert_int_equal(strstr(err.hint, "x2APIC") != NULL, rows[i].explained);
	}
}

static void test_network_devices(void **state)
{
	static const uint8_t mac[] = { 0x02, 0, 0, 0, 0xAB, 0x01 };
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --nic tap:br0 --nic tap:virbr-15-bytes1,mac=02:00:00:00:aB:01 --rng "
			       "--balloon --nic macvtap:m0,queues=4,vhost=off --nic tap:t,mtu=9000,queues=8",
			       &o, &err), 0);
	assert_int_equal(o.nic_count, 4);
	assert_int_equal(o.nics[0].queues, 1);
	assert_int_equal(o.nics[0].mtu, 0);
	assert_false(o.nics[0].no_vhost);
	assert_string_equal(o.nics[2].macvtap, "m0");
	assert_string_equal(o.nics[2].bridge, "");
	assert_int_equal(o.nics[2].queues, 4);
	assert_true(o.nics[2].no_vhost);
	assert_int_equal(o.nics[3].mtu, 9000);
	assert_int_equal(o.nics[3].queues, 8);
	assert_string_equal(o.nics[0].bridge, "br0");
	assert_false(o.nics[0].has_mac);
	assert_string_equal(o.nics[1].bridge, "virbr-15-bytes1");
	assert_memory_equal(o.nics[1].mac, mac, 6);
	assert_true(o.rng && o.balloon);
}

/* Who serves a device has packed rings, or not; what is said of one goes before what is said of all. */
static void test_rings(void **state)
{
	static const char all[] = " --disk a --disk b,packed=off --disk c,packed=on --disk vhost-user:/s "
				  "--nic tap:x --nic tap:y,vhost=off --nic vhost-user:/s --nic vhost-user:/s,packed=on";
	static const struct {
		const char *words, *packed;
	} rows[] = {
		{ "-k k", "0: 0010 0001" },
		{ "-k k --rings split", "0: 0010 0001" },
		{ "-k k --rings packed", "1: 1010 0101" },
	};
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_opts o = { 0 };
		char line[512], got[32];

		snprintf(line, sizeof(line), "%s%s", rows[i].words, all);
		assert_int_equal(parse(line, &o, &err), 0);
		snprintf(got, sizeof(got), "%d: %d%d%d%d %d%d%d%d", o.packed == VM_ON,
			 o.disks[0].packed == VM_ON, o.disks[1].packed == VM_ON, o.disks[2].packed == VM_ON,
			 o.disks[3].packed == VM_ON, o.nics[0].packed == VM_ON, o.nics[1].packed == VM_ON,
			 o.nics[2].packed == VM_ON, o.nics[3].packed == VM_ON);
		assert_string_equal(got, rows[i].packed);
	}
}

static void test_consoles_and_ports(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --console virtio --port name=a,pty --port name=b,socket=/x --vsock cid=3",
			       &o, &err), 0);
	assert_true(o.virtio_console);
	assert_string_equal(o.cmdline, "console=ttyS0 console=hvc0");
	assert_int_equal(o.port_count, 2);
	assert_string_equal(o.ports[1].path, "/x");
	assert_true(o.vsock.wanted);
	assert_int_equal(o.vsock.cid, 3);
	assert_int_equal(parse("-k k --console virtio --cmdline quiet --vsock cid=auto", &o, &err), 0);
	assert_string_equal(o.cmdline, "quiet");
	assert_int_equal(o.vsock.cid, 0);
	assert_int_equal(parse("-k k --console serial", &o, &err), 0);
	assert_false(o.virtio_console || o.vsock.wanted);
}

static void test_vdpa_devices(void **state)
{
	struct vm_mem_request q;
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;
	uint8_t cpu_node[VMM_MAX_CPUS];
	struct mem_node mem[VMM_MAX_NODES];

	assert_int_equal(parse("-k k --nic vdpa:net7 --nic vdpa:/dev/vhost-vdpa-3", &o, &err), 0);
	assert_int_equal(vm_opts_vdpas(&o), 2);
	assert_string_equal(o.nics[0].vdpa, "net7");
	assert_string_equal(o.nics[1].vdpa, "vhost-vdpa-3");
	/* RAM is such as any of them reaches, unless it is said. */
	vm_opts_mem(&o, &q);
	assert_int_equal(vm_mem_opts_resolve(&q, mem, cpu_node, &err), 0);
	assert_int_equal(mem[0].kind, MEM_MEMFD);
	assert_int_equal(parse("-k k --nic vdpa:net7 -m 256M,backend=anon", &o, &err), 0);
	vm_opts_mem(&o, &q);
	assert_int_equal(vm_mem_opts_resolve(&q, mem, cpu_node, &err), 0);
	assert_int_equal(mem[0].kind, MEM_ANON);
	assert_int_equal(parse("-k k --nic vdpa:net7 -m 256M,backend=anon,merge=on", &o, &err), -EINVAL);
	assert_non_null(strstr(err.text, "merge=on: with a device all of the guest's RAM is pinned"));
	err = (struct err)ERR_INIT;
	assert_int_equal(parse("-k k --nic tap:br0", &o, &err), 0);
	assert_int_equal(vm_opts_vdpas(&o), 0);
}

static void test_targets(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --scsi wwpn=naa.1 --scsi wwpn=iqn.2026-11.org.x:a.b,queues=8", &o, &err), 0);
	assert_int_equal(o.scsi_count, 2);
	assert_string_equal(o.scsi[0].wwpn, "naa.1");
	assert_int_equal(o.scsi[0].queues, 1);
	assert_string_equal(o.scsi[1].wwpn, "iqn.2026-11.org.x:a.b");
	assert_int_equal(o.scsi[1].queues, 8);
}

static void test_a_network_device_that_stands_by(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --bind --nic vf=eth0/vf3,standby=tap:br0 "
			       "--nic standby=tap:br1,mac=02:00:00:00:00:01,vf=pool:fast "
			       "--nic vf=auto,mac=02:00:00:00:00:02,standby=tap:br2 "
			       "--nic vf=auto,standby=tap:br2 "
			       "--nic vf=auto,standby=vhost-user:/run/sw0,queues=2", &o, &err), 0);
	assert_int_equal(o.nic_count, 5);
	assert_string_equal(o.nics[0].vf, "eth0/vf3");
	assert_string_equal(o.nics[0].bridge, "br0");
	assert_false(o.nics[0].has_mac);
	assert_string_equal(o.nics[1].vf, "pool:fast");
	assert_string_equal(o.nics[1].bridge, "br1");
	assert_int_equal(o.nics[1].mac[5], 1);
	assert_string_equal(o.nics[2].vf, "auto");
	assert_string_equal(o.nics[2].bridge, "br2");
	assert_int_equal(o.nics[2].mac[5], 2);
	assert_string_equal(o.nics[4].vf, "auto");
	assert_string_equal(o.nics[4].socket, "/run/sw0");
	assert_string_equal(o.nics[4].bridge, "");
	assert_int_equal(o.nics[4].queues, 2);
}

static void test_disks(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --disk a,readonly --disk b,serial=x", &o, &err), 0);
	assert_int_equal(o.disk_count, 2);
	assert_string_equal(o.disks[0].path, "a");
	assert_string_equal(o.disks[1].serial, "x");
	assert_int_equal(parse("-k k --disk a,cache=none", &o, &err), -EINVAL);
}

static void test_devices_that_others_serve(void **state)
{
	struct vm_opts o = { 0 };
	struct vm_mem_request q;
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k --fs vhost-user:/a,tag=x --fs vhost-user:/b,tag=y "
			       "--nic vhost-user:/n --disk vhost-user:/d,queues=2", &o, &err), 0);
	assert_int_equal(o.fs_count, 2);
	assert_string_equal(o.fs[1].socket, "/b");
	assert_string_equal(o.fs[1].tag, "y");
	assert_string_equal(o.nics[0].socket, "/n");
	assert_true(o.disks[0].vhost_user);
	vm_opts_mem(&o, &q);
	assert_string_equal(q.shared, "--nic");
	assert_int_equal(parse("-k k --disk a", &o, &err), 0);
	vm_opts_mem(&o, &q);
	assert_null(q.shared);
	assert_int_equal(parse("-k k --fs vhost-user:/a,tag=x --fs vhost-user:/b,tag=x", &o, &err), -EINVAL);
	assert_string_equal(err.text, "--fs: the tag x is given twice");
	err = (struct err)ERR_INIT;
	assert_int_equal(parse("-k k -m 256M,backend=anon --disk vhost-user:/d", &o, &err), -EINVAL);
	assert_non_null(strstr(err.text, "with --disk vhost-user another process has it"));
	err = (struct err)ERR_INIT;
	assert_int_equal(parse("-k k -m 256M,merge=on --disk vhost-user:/d", &o, &err), -EINVAL);
}

static void test_what_a_guest_sees_of_a_device(void **state)
{
	struct vm_opts o = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(parse("-k k -d a -d b,rom=off,msix=move,intx=shared -d c,gpudirect-clique=0,romfile=/x,y=z", &o, &err),
			 0);
	assert_int_equal(o.devices[0].rom, VMM_ROM_DEVICE);
	assert_int_equal(o.devices[0].clique, 0);
	assert_int_equal(o.devices[1].rom, VMM_ROM_OFF);
	assert_true(o.devices[1].move_msix && !o.devices[0].move_msix);
	assert_true(o.devices[1].shared_intx && !o.devices[0].shared_intx);
	assert_int_equal(o.devices[2].rom, VMM_ROM_FILE);
	assert_string_equal(o.devices[2].romfile, "/x,y=z");
	assert_int_equal(o.devices[2].clique, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_those_the_help_states),
		cmocka_unit_test(test_what_a_guest_sees_of_a_device),
		cmocka_unit_test(test_network_devices),
		cmocka_unit_test(test_rings),
		cmocka_unit_test(test_consoles_and_ports),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_vdpa_devices),
		cmocka_unit_test(test_a_network_device_that_stands_by),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_slots_that_name_no_node_are_on_all_of_them),
		cmocka_unit_test(test_words_of_a_device_are_the_same_for_who_attaches_it),
		cmocka_unit_test(test_devices_that_others_serve),
		cmocka_unit_test(test_every_option_reaches_its_field),
		cmocka_unit_test(test_bad_lines_exit_with_usage_and_name_the_value),
		cmocka_unit_test(test_the_limit_of_cpus_is_explained_to_who_went_over_it),
		cmocka_unit_test(test_more_devices_than_fit_are_refused),
		cmocka_unit_test(test_help_needs_no_kernel),
	};

	return cmocka_run_group_tests_name("vm_opts", tests, NULL, NULL);
}
