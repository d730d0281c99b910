// SPDX-License-Identifier: GPL-2.0-or-later
/* The way an interrupt takes, put together of the VMM's report and the host's files. */
#include "tools/vm_irq.h"
#include "tools/irq_keeper.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/process.h"
#include "host/posting.h"
#include "irq/message.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "vfio/host_irq.h"

static int root;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "proc/interrupts",
		  "           CPU0       CPU1\n"
		  "  0:         40          0   IO-APIC    2-edge      timer\n"
		  " 36:         12          5   IR-PCI-MSIX-0000:01:10.0    0-edge      "
		  "vfio-msix[0](0000:01:10.0)\n"
		  " 37:          0          0   IR-PCI-MSIX-0000:01:10.0    1-edge      "
		  "vfio-msix[1](0000:01:10.0)\n"
		  " 38:          3          0   IR-PCI-MSI-0000:02:00.0    0-edge      "
		  "vfio-msi[0](0000:02:00.0)\n"
		  " 16:          9          0   IR-IO-APIC   16-fasteoi   vfio-intx(0000:04:01.0)\n"
		  " 99:          9          0   IR-IO-APIC   16-fasteoi   vfio-msix[0](nonsense)\n"
		  "NMI:          0          0   Non-maskable interrupts" },
		{ "proc/irq/36/effective_affinity_list", "1" },
		{ "proc/irq/37/smp_affinity_list", "0-1" },
		{ "proc/irq/16/smp_affinity_list", "9" },
		{ "proc/812/fd/7", .link = "/dev/vfio/42" },
		{ "proc/812/task/900/stat",
		  "900 (vcpu/0 (x) y) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
		  "26 27 28 29 30 31 32 33 34 35 7 37 38" },
		{ 0 },
	};

	root = fake_sysfs(nodes);
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:01:10.0", .driver = "vfio-pci", .group = "42" });
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&root);
	return 0;
}

static void test_vfios_interrupts_are_found_among_the_hosts(void **state)
{
	static const struct bdf of[] = { { .bus = 4, .dev = 1 }, { .bus = 1, .dev = 16 } };
	_cleanup_free_ struct host_irq *irqs = NULL;
	const struct host_irq *h;
	size_t n;

	assert_int_equal(host_irq_read(root, of, ARRAY_SIZE(of), &irqs, &n), 0);
	assert_int_equal(n, 3); /* not another VM's, 0000:02:00.0 */
	h = host_irq_find(irqs, n, (struct bdf){ .bus = 1, .dev = 16 }, 0);
	assert_int_equal(h->irq, 36);
	assert_int_equal(h->count, 17);
	assert_string_equal(h->cpus, "1");
	h = host_irq_find(irqs, n, (struct bdf){ .bus = 1, .dev = 16 }, 1);
	assert_string_equal(h->cpus, "0-1");
	h = host_irq_find(irqs, n, (struct bdf){ .bus = 4, .dev = 1 }, 0);
	assert_int_equal(h->irq, 16);
	assert_string_equal(h->cpus, "9");
	assert_null(host_irq_find(irqs, n, (struct bdf){ .bus = 1, .dev = 16 }, 2));
}

/* --- what the host can ------------------------------------------------------------------------- */

static void assert_posting(const char *why)
{
	struct posting p;

	posting_read(root, &p);
	assert_string_equal(p.why, why);
	assert_int_equal(p.possible, !*why);
}

static void test_intel_posts_with_apicv_and_every_iommu(void **state)
{
	assert_posting("KVM's module is not to be seen");
	fake_sysfs_text(root, "N", "sys/module/kvm_intel/parameters/enable_apicv");
	assert_posting("no APICv (kvm_intel.enable_apicv is off)");
	fake_sysfs_text(root, "Y", "sys/module/kvm_intel/parameters/enable_apicv");
	assert_posting("the IOMMU cannot post");
	fake_sysfs_text(root, "8d2078c106f0466", "sys/class/iommu/dmar0/intel-iommu/cap");
	assert_posting("");
	fake_sysfs_text(root, "d2008c40660462", "sys/class/iommu/dmar1/intel-iommu/cap");
	assert_posting("the IOMMU cannot post");
	fake_sysfs_text(root, "8d2078c106f0466", "sys/class/iommu/dmar1/intel-iommu/cap");
	fake_sysfs_text(root, "quiet intremap=nopost", "proc/cmdline");
	assert_posting("intremap=nopost on the kernel's command line");
}

static void test_the_kernel_was_told_not_to_post(void **state)
{
#define NOPOST "intremap=nopost on the kernel's command line"
#define OFF    "intremap=off on the kernel's command line"
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "quiet intremap=nosid,nopost ro", NOPOST },
		{ "intremap=nopost,nosid", NOPOST },
		{ "intremap=nosid intremap=nopost", NOPOST },
		{ "intremap=,nopost\n", NOPOST },
		{ "intremap=off", OFF },
		{ "intremap=on,off,nosid", OFF },
		{ "intremap=nosid,no_x2apic_optout", "" },
		{ "intremap=nopost,on", "" },
		{ "intremap=nopost intremap=on", "" },
		{ "intremap=on,nopost", NOPOST },
		{ "intremap=", "" },
		{ "intremap", "" },
		{ "x.intremap=nopost", "" },
		{ "x=intremap,nopost nopost", "" },
		{ "", "" },
	};

	(void)state;
	fake_sysfs_text(root, "Y", "sys/module/kvm_intel/parameters/enable_apicv");
	fake_sysfs_text(root, "8d2078c106f0466", "sys/class/iommu/dmar0/intel-iommu/cap");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_sysfs_text(root, rows[i].line, "proc/cmdline");
		assert_posting(rows[i].why);
	}
#undef NOPOST
#undef OFF
}

static void test_amd_posts_with_avic_and_a_virtual_apic_in_the_iommu(void **state)
{
	fake_sysfs_text(root, "N", "sys/module/kvm_amd/parameters/avic");
	assert_posting("no AVIC (kvm_amd.avic is off)");
	fake_sysfs_text(root, "1", "sys/module/kvm_amd/parameters/avic");
	fake_sysfs_text(root, "58f77ef22294ade:0", "sys/class/iommu/ivhd0/amd-iommu/features");
	assert_posting("");
	fake_sysfs_text(root, "29d3:0", "sys/class/iommu/ivhd0/amd-iommu/features");
	assert_posting("the IOMMU cannot post");
}

/* --- messages ---------------------------------------------------------------------------------- */

static void test_messages(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t data;
		bool is;
		struct message m;
		int target; /* of 4 CPUs */
	} rows[] = {
		{ 0xfee00000, 0x4031, true, { 0x31, 0, false, MESSAGE_FIXED }, 0 },
		{ 0xfee03000, 0x0131, true, { 0x31, 3, false, MESSAGE_LOWEST }, 3 },
		{ 0xfee04000, 0x0031, true, { 0x31, 4, false, MESSAGE_FIXED }, -1 },
		{ 0xfeeff000, 0x0031, true, { 0x31, 255, false, MESSAGE_FIXED }, -1 },
		{ 0xfee0400c, 0x0022, true, { 0x22, 4, true, MESSAGE_FIXED }, 2 },
		{ 0xfee0300c, 0x0022, true, { 0x22, 3, true, MESSAGE_FIXED }, -1 },
		{ 0xfee0000c, 0x0022, true, { 0x22, 0, true, MESSAGE_FIXED }, -1 },
		{ 0xfee1000c, 0x0422, true, { 0x22, 16, true, MESSAGE_NMI }, -1 },
		{ 0, 0, false, { 0 }, 0 },
		{ 0x1fee00000, 0x31, false, { 0 }, 0 },
		{ 0xfed00000, 0x31, false, { 0 }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct message m = { 0 };

		assert_int_equal(message_decode(rows[i].address, rows[i].data, &m), rows[i].is);
		assert_memory_equal(&m, &rows[i].m, sizeof(m));
		if (rows[i].is)
			assert_int_equal(message_target(&m, 4), rows[i].target);
	}
}

/* --- together ---------------------------------------------------------------------------------- */

#define VECTOR(n, path, masked, rest)                                                         \
	"{\"vector\":" #n ",\"path\":\"" path "\",\"masked\":" #masked ",\"pending\":false,\"relayed\":0" \
	rest "}"
#define TO(cpu, delivery) ",\"guest_vector\":49,\"guest_cpu\":" cpu ",\"delivery\":\"" delivery "\""

static json_t *rows_of(const char *mode, const char *vectors)
{
	json_t *report = json_pack("{s:i, s:[i], s:[{s:s, s:s, s:o}]}", "pid", 812, "cpu_threads", 900,
				   "devices", "device", "0000:01:10.0", "mode", mode, "vectors",
				   json_loads(vectors, 0, NULL));
	json_t *rows = vm_irq_rows(root, report, NULL, NULL);

	json_decref(report);
	assert_non_null(rows);
	return rows;
}

static void assert_row(const json_t *rows, size_t i, const char *path, const char *why,
		       const char *known_by)
{
	const json_t *row = json_array_get(rows, i), *w = json_object_get(row, "why");

	assert_string_equal(json_string_value(json_object_get(row, "known_by")), known_by);
	assert_string_equal(json_string_value(json_object_get(row, "path")), path);
	if (why)
		assert_string_equal(json_string_value(w), why);
	else
		assert_true(json_is_null(w));
}

static void test_a_vector_is_posted_only_if_nothing_speaks_against_it(void **state)
{
	json_t *rows;

	fake_sysfs_text(root, "Y", "sys/module/kvm_intel/parameters/enable_apicv");
	fake_sysfs_text(root, "8d2078c106f0466", "sys/class/iommu/dmar0/intel-iommu/cap");
	rows = rows_of("msix", "[" VECTOR(0, "irqfd", false, TO("0", "fixed")) ","
			       VECTOR(1, "irqfd", false, TO("null", "fixed")) ","
			       VECTOR(2, "irqfd", false, TO("0", "nmi")) ","
			       VECTOR(3, "userspace", false, TO("0", "fixed")) ","
			       VECTOR(4, "off", true, TO("0", "fixed")) ","
			       VECTOR(5, "off", false, TO("0", "fixed")) "]");
	assert_int_equal(json_array_size(rows), 6);
	assert_row(rows, 0, "posted", NULL, "prediction");
	assert_row(rows, 1, "remapped+injected", "it goes to several CPUs", "prediction");
	assert_row(rows, 2, "remapped+injected", "its delivery mode cannot be posted",
		   "prediction");
	assert_row(rows, 3, "userspace", "it has no route in KVM, or not yet", "vmm");
	assert_row(rows, 4, "none", "masked", "vmm");
	assert_row(rows, 5, "none", "off", "vmm");
	json_decref(rows);
	fake_sysfs_text(root, "N", "sys/module/kvm_intel/parameters/enable_apicv");
	rows = rows_of("msix", "[" VECTOR(0, "irqfd", false, TO("0", "fixed")) "]");
	assert_row(rows, 0, "remapped+injected", "no APICv (kvm_intel.enable_apicv is off)",
		   "prediction");
	json_decref(rows);
}

static void test_both_sides_of_a_vector_are_in_its_row(void **state)
{
	json_t *rows = rows_of("msix", "[" VECTOR(0, "irqfd", false, TO("0", "fixed")) ","
				       VECTOR(7, "irqfd", false, TO("3", "fixed")) "]");
	const json_t *row = json_array_get(rows, 0);

	assert_int_equal(json_integer_value(json_object_get(row, "host_irq")), 36);
	assert_string_equal(json_string_value(json_object_get(row, "host_irq_cpus")), "1");
	assert_int_equal(json_integer_value(json_object_get(row, "host_irq_count")), 17);
	/* Of a thread whose name has blanks and brackets. */
	assert_int_equal(json_integer_value(json_object_get(row, "guest_cpu_on")), 7);
	row = json_array_get(rows, 1);
	assert_null(json_object_get(row, "host_irq"));
	assert_true(json_is_null(json_object_get(row, "guest_cpu_on")));
	json_decref(rows);
}

static void test_intx_is_one_row(void **state)
{
	json_t *rows = rows_of("intx", "[]");

	assert_int_equal(json_array_size(rows), 1);
	assert_row(rows, 0, "remapped+injected", "a level-triggered line cannot be posted", "vmm");
	json_decref(rows);
}

static void test_a_report_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = { "7", "{}", "{\"devices\":7}" };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_t *report = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		err = (struct err)ERR_INIT;
		assert_null(vm_irq_rows(root, report, NULL, &err));
		assert_int_equal(err.code, -EPROTO);
		json_decref(report);
	}
}

/* --- where the host takes them ------------------------------------------------------------------ */

static const char *affinity(unsigned irq)
{
	static char text[64];

	assert_true(hostfs_read(root, text, sizeof(text), "proc/irq/%u/smp_affinity_list", irq) >= 0);
	return text;
}

static unsigned look_by(int pid, int thread, const char *words, unsigned *ret_placed)
{
	json_t *report = json_pack("{s:i, s:[i], s:[{s:s, s:s, s:o}]}", "pid", pid, "cpu_threads", thread,
				   "devices", "device", "0000:01:10.0", "mode", "msix", "vectors",
				   json_loads("[" VECTOR(0, "irqfd", false, TO("0", "fixed")) ","
					      VECTOR(1, "irqfd", false, TO("null", "fixed")) ","
					      VECTOR(7, "irqfd", false, TO("0", "fixed")) "]", 0, NULL));
	struct irq_lines lines = { 0 };
	struct irq_place place;
	struct irq_list placed;
	unsigned moved;

	assert_int_equal(irq_place_parse(words, &place, NULL), 0);
	moved = irq_keeper_look(root, 812, report, &place, &placed, &lines);
	assert_int_equal(lines.count, 0); /* vectors are not lines */
	json_decref(report);
	*ret_placed = placed.count;
	return moved;
}

static unsigned look(const char *words)
{
	unsigned placed;

	return look_by(812, 900, words, &placed);
}

/* Somebody took the VMM over, and it names what is another VM's, or the host's. */
static void test_the_vmm_is_not_believed_whose_a_device_is(void **state)
{
	unsigned placed = 1;

	fake_sysfs_text(root, "0", "proc/irq/36/smp_affinity_list");
	fake_sysfs_remove(root, "proc/812/fd/7");
	fake_sysfs_link(root, "/dev/vfio/42", "proc/813/fd/7");
	fake_sysfs_link(root, "/dev/vfio/421", "proc/812/fd/8");
	assert_int_equal(look_by(813, 900, "cpus=1", &placed), 0);
	assert_string_equal(affinity(36), "0");
	assert_int_equal(placed, 0); /* nor is irqbalance to leave it alone */
	fake_sysfs_link(root, "/dev/vfio/42", "proc/812/fd/9");
	assert_int_equal(look_by(813, 900, "cpus=1", &placed), 2);
	assert_int_equal(placed, 2);
}

static void test_the_vmm_is_not_believed_whose_a_thread_is(void **state)
{
	unsigned placed;

	fake_sysfs_text(root, "0", "proc/irq/36/smp_affinity_list");
	fake_sysfs_text(root, "901 (a) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 "
			      "27 28 29 30 31 32 33 34 35 5 37 38", "proc/813/task/901/stat");
	assert_int_equal(look_by(813, 901, "follow", &placed), 0);
	assert_string_equal(affinity(36), "0");
	assert_int_equal(look_by(813, 900, "follow", &placed), 1);
	assert_string_equal(affinity(36), "7");
}

static void test_an_interrupt_follows_its_cpu(void **state)
{
	fake_sysfs_text(root, "0", "proc/irq/36/smp_affinity_list");
	assert_int_equal(look("follow"), 1); /* the thread of CPU 0 is on CPU 7 */
	assert_string_equal(affinity(36), "7");
	assert_string_equal(affinity(37), "0-1"); /* for several CPUs */
	assert_int_equal(look("follow"), 0);
	fake_sysfs_text(root, "3", "proc/irq/36/smp_affinity_list"); /* irqbalance was here */
	assert_int_equal(look("follow"), 1);
	assert_string_equal(affinity(36), "7");
	assert_string_equal(affinity(16), "9"); /* not this guest's */
}

static void test_interrupts_go_to_the_cpus_that_were_said(void **state)
{
	/* As long as what is written: a real one is replaced as a whole. */
	fake_sysfs_text(root, "0-1,7", "proc/irq/36/smp_affinity_list");
	fake_sysfs_text(root, "0-1,2", "proc/irq/37/smp_affinity_list");
	assert_int_equal(look("cpus=1,0,3"), 2);
	assert_string_equal(affinity(36), "0-1,3");
	assert_string_equal(affinity(37), "0-1,3");
	assert_int_equal(look("cpus=0-1,3"), 0);
}

static void test_places_are_checked(void **state)
{
	static const char *const bad[] = { "", "followed", "cpus=", "cpus", "cpus=x", "cpus=3-1", "0-1" };
	static const struct vm_pin nowhere = { 0 };
	struct irq_place place;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(irq_place_parse(bad[i], &place, NULL), -EINVAL);
	fake_sysfs_text(root, "0-3,8", "sys/devices/system/cpu/online");
	assert_int_equal(irq_place_parse("cpus=2,8", &place, &err), 0);
	assert_int_equal(irq_place_check(root, &place, &nowhere, &err), 0);
	assert_int_equal(irq_place_parse("cpus=2,4", &place, &err), 0);
	assert_int_equal(irq_place_check(root, &place, &nowhere, &err), -ENODEV);
	assert_string_equal(err.text, "--irq: CPU 4 of this host is not online");
}

/* What it says on stderr. */
static const char *warning(const char *words, const struct vm_pin *pin)
{
	static char text[1024];
	int into = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO), r;
	struct irq_place place;
	ssize_t len;

	assert_int_equal(irq_place_parse(words, &place, NULL), 0);
	dup2(into, STDERR_FILENO);
	r = irq_place_check(root, &place, pin, NULL);
	dup2(saved, STDERR_FILENO);
	len = pread(into, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	close(saved);
	close(into);
	assert_int_equal(r, 0);
	return text;
}

static void test_cpus_of_the_guest_itself_are_warned_of(void **state)
{
	static const struct vm_pin pin = { .count = 3, .cpu = { 1, 70, 3 } };

	assert_non_null(strstr(warning("cpus=0-1", &pin), "--irq: CPU 1 is the guest's by --pin"));
	assert_non_null(strstr(warning("cpus=0-3,70", &pin), "--irq: CPU 1,3,70 is"));
	assert_string_equal(warning("cpus=0,2", &pin), "");
	assert_string_equal(warning("follow", &pin), "");
	assert_string_equal(warning("cpus=0-1", &(struct vm_pin){ 0 }), "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- what KVM told ----------------------------------------------------------------------------- */

static void test_what_kvm_told_is_read_for_one_process(void **state)
{
	static const struct fake_node trace[] = {
		{ "sys/kernel/tracing/events/kvm/kvm_pi_irte_update/format", "name: kvm_pi_irte_update" },
		{ "sys/kernel/tracing/instances/thruway/buffer_size_kb", "" },
		{ "sys/kernel/tracing/instances/thruway/events/kvm/kvm_pi_irte_update/enable", "0" },
		{ "sys/kernel/tracing/instances/thruway/trace",
		  "# tracer: nop\n"
		  "     thruway-vmm-812     [001] .....    12.345678: kvm_pi_irte_update: PI is enabled and "
		  "being updated for irq 36, vcpu 0, gsi: 0x18, gvec: 0x22, pi_desc_addr: 0x1000\n"
		  "     thruway-vmm-812     [001] .....    12.345679: kvm_pi_irte_update: PI is disabled for "
		  "irq 37, vcpu 1, gsi: 0x19, gvec: 0x23, pi_desc_addr: 0x1000\n"
		  "     thruway-vmm-813     [000] .....    12.345680: kvm_pi_irte_update: PI is enabled and "
		  "being updated for irq 40, vcpu 0, gsi: 0x1a, gvec: 0x22, pi_desc_addr: 0x1000\n"
		  "     thruway-vmm-812     [001] .....    12.4: kvm_pi_irte_update: PI is enabled and being "
		  "updated for irq 36, vcpu 0, gsi: 0xffffff, gvec: 0x22, pi_desc_addr: 0x1000\n"
		  " nonsense-812 kvm_pi_irte_update: gsi: 0x1b\n" },
		{ 0 },
	};
	int host = fake_sysfs(trace);
	struct irq_trace t = { .root = host, .instance = "sys/kernel/tracing/instances/thruway" };
	enum irq_told told[64];

	assert_int_equal(irq_trace_read(&t, 812, told, ARRAY_SIZE(told), NULL), 0);
	assert_int_equal(told[0x18], IRQ_TOLD_POSTED);
	assert_int_equal(told[0x19], IRQ_TOLD_NOT_POSTED);
	assert_int_equal(told[0x1a], IRQ_TOLD_NOTHING);
	assert_int_equal(told[0x1b], IRQ_TOLD_NOTHING);
	fake_sysfs_free(&host);
}

static void test_a_kernel_that_does_not_tell(void **state)
{
	struct irq_trace t = IRQ_TRACE_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(irq_trace_begin(root, &t, &e), -ENOENT);
	assert_non_null(strstr(e.text, "does not tell of posted interrupts"));
	assert_non_null(strstr(e.hint, "mount -t tracefs"));
	irq_trace_end(&t);
}

#define TRACING "sys/kernel/tracing/"
#define TOLD	"events/kvm/kvm_pi_irte_update/"

/* Field 22 is when it was started. */
static void fake_process(int host, int pid, unsigned start)
{
	char stat[128];

	snprintf(stat, sizeof(stat), "%d (thruway) S 1 1 1 0 -1 4 0 0 0 0 1 2 0 0 20 0 1 0 %u 1 1", pid,
		 start);
	fake_sysfs_text(host, stat, "proc/%d/stat", pid);
}

static void fake_instance(int host, const char *name)
{
	fake_sysfs_add(host, (const struct fake_node[]){ { name }, { 0 } });
}

/* A proc in which we are process `pid`, started at 900. */
static int tracing_host(struct process_id *ret_self)
{
	static const struct fake_node nodes[] = {
		{ TRACING TOLD "format", "name: kvm_pi_irte_update" },
		{ TRACING "instances" },
		{ 0 },
	};
	int host = fake_sysfs(nodes), pid = (int)getpid();
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	fake_sysfs_link(host, name, "proc/self");
	fake_sysfs_text(host, "", "proc/%d/ns/pid", pid);
	fake_process(host, pid, 900);
	process_self(host, ret_self);
	assert_int_equal(ret_self->start, 900);
	return host;
}

static void test_each_process_looks_by_an_instance_of_its_own(void **state)
{
	struct process_id self, other;
	int host = tracing_host(&self);
	struct irq_trace t = IRQ_TRACE_INIT;
	char name[64], another[64], on[8];

	irq_trace_name(&self, name, sizeof(name));
	other = self;
	other.pid++;
	irq_trace_name(&other, another, sizeof(another));
	assert_string_not_equal(name, another);
	other = self;
	other.pidns++;
	irq_trace_name(&other, another, sizeof(another));
	assert_string_not_equal(name, another);
	/* What the kernel makes of an instance at once, a directory does not have. */
	fake_sysfs_text(host, "0", TRACING "instances/%s/" TOLD "enable", name);
	fake_sysfs_text(host, "1408", TRACING "instances/%s/buffer_size_kb", name);
	assert_int_equal(irq_trace_begin(host, &t, NULL), 0);
	assert_non_null(strstr(t.instance, name));
	assert_true(hostfs_read(host, on, sizeof(on), "%s/" TOLD "enable", t.instance) > 0);
	assert_string_equal(on, "1");
	irq_trace_end(&t);
	assert_true(hostfs_read(host, on, sizeof(on), TRACING "instances/%s/" TOLD "enable", name) > 0);
	assert_string_equal(on, "0");
	fake_sysfs_free(&host);
}

static void test_what_a_killed_one_left_is_removed_and_nothing_else(void **state)
{
	struct process_id self;
	int host = tracing_host(&self), other = (int)getpid() + 1;
	struct irq_trace t = IRQ_TRACE_INIT;
	const struct {
		uint64_t pidns, start;
		int pid;
		bool stays;
	} rows[] = {
		{ self.pidns, 5, other, false },		/* there is none */
		{ self.pidns, 5, other + 1, false },		/* another has its pid */
		{ self.pidns, 700, other + 1, true },		/* it looks */
		{ self.pidns + 1, 5, other, true },		/* of a namespace we do not see */
		{ 0, 5, other, true },				/* nor know */
		{ self.pidns, 0, other, true },
	};
	char ours[64];
	static const char *const others[] = { "mine", "thruway", "thruway-7-8", "thruway-7-08-9",
					      "thruway-7-8-9-more" };

	fake_process(host, other + 1, 700);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct process_id id = { .pid = rows[i].pid, .start = rows[i].start,
					 .pidns = rows[i].pidns };
		char path[128] = TRACING "instances/";

		irq_trace_name(&id, path + strlen(path), sizeof(path) - strlen(path));
		fake_instance(host, path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		char path[128];

		snprintf(path, sizeof(path), TRACING "instances/%s", others[i]);
		fake_instance(host, path);
	}
	/* Ours has no files here, and is not left behind. */
	assert_int_equal(irq_trace_begin(host, &t, NULL), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct process_id id = { .pid = rows[i].pid, .start = rows[i].start,
					 .pidns = rows[i].pidns };
		char name[64];

		irq_trace_name(&id, name, sizeof(name));
		if (hostfs_exists(host, TRACING "instances/%s", name) != rows[i].stays)
			fail_msg("%s %s", name, rows[i].stays ? "is gone" : "is left");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_true(hostfs_exists(host, TRACING "instances/%s", others[i]));
	irq_trace_name(&self, ours, sizeof(ours));
	assert_false(hostfs_exists(host, TRACING "instances/%s", ours));
	fake_sysfs_free(&host);
}

static void test_an_observation_stands_above_the_prediction(void **state)
{
	static const char text[] =
		"{\"pid\":812,\"cpu_threads\":[900],\"devices\":[{\"device\":\"0000:01:10.0\",\"mode\":\"msix\","
		"\"vectors\":["
		"{\"vector\":0,\"path\":\"irqfd\",\"masked\":false,\"gsi\":24,\"guest_cpu\":0,"
		"\"delivery\":\"fixed\"},"
		"{\"vector\":1,\"path\":\"irqfd\",\"masked\":false,\"gsi\":25,\"guest_cpu\":0,"
		"\"delivery\":\"fixed\"},"
		"{\"vector\":2,\"path\":\"off\",\"masked\":true,\"gsi\":24}]}]}";
	_cleanup_free_ enum irq_told *told = calloc(VM_IRQ_GSIS, sizeof(*told));
	json_t *report = json_loads(text, 0, NULL), *rows, *row;

	told[24] = IRQ_TOLD_POSTED;
	rows = vm_irq_rows(root, report, told, NULL);
	assert_int_equal(json_array_size(rows), 3);
	row = json_array_get(rows, 0);
	assert_string_equal(json_string_value(json_object_get(row, "path")), "posted");
	assert_string_equal(json_string_value(json_object_get(row, "known_by")), "observation");
	assert_true(json_is_null(json_object_get(row, "why")));
	/* Of the second it told nothing, and of one that is off it does not matter. */
	row = json_array_get(rows, 1);
	assert_string_equal(json_string_value(json_object_get(row, "path")), "remapped+injected");
	assert_string_equal(json_string_value(json_object_get(row, "known_by")), "prediction");
	row = json_array_get(rows, 2);
	assert_string_equal(json_string_value(json_object_get(row, "path")), "none");
	assert_string_equal(json_string_value(json_object_get(row, "known_by")), "vmm");
	json_decref(rows);
	json_decref(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vfios_interrupts_are_found_among_the_hosts),
		TEST(test_what_kvm_told_is_read_for_one_process),
		TEST(test_a_kernel_that_does_not_tell),
		TEST(test_each_process_looks_by_an_instance_of_its_own),
		TEST(test_what_a_killed_one_left_is_removed_and_nothing_else),
		TEST(test_an_observation_stands_above_the_prediction),
		TEST(test_intel_posts_with_apicv_and_every_iommu),
		TEST(test_the_kernel_was_told_not_to_post),
		TEST(test_amd_posts_with_avic_and_a_virtual_apic_in_the_iommu),
		TEST(test_messages),
		TEST(test_a_vector_is_posted_only_if_nothing_speaks_against_it),
		TEST(test_both_sides_of_a_vector_are_in_its_row),
		TEST(test_intx_is_one_row),
		TEST(test_a_report_that_is_none_is_refused),
		TEST(test_an_interrupt_follows_its_cpu),
		TEST(test_the_vmm_is_not_believed_whose_a_device_is),
		TEST(test_the_vmm_is_not_believed_whose_a_thread_is),
		TEST(test_interrupts_go_to_the_cpus_that_were_said),
		TEST(test_places_are_checked),
		TEST(test_cpus_of_the_guest_itself_are_warned_of),
	};

	return cmocka_run_group_tests_name("vm_irq", tests, NULL, NULL);
}
