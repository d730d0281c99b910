// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In the lab, on a device bound to vfio-pci: what 1 to MAX of its vectors cost, counted at the
 * kernel's door, and whether each of them reaches a vCPU. irq/ and vfio/ as in the VMM; the guest's
 * register writes come from here, and nothing runs on the vCPU, whose APIC keeps what arrived.
 *
 *	vectors GROUP BDF msix|msi MAX
 *
 * Three ways for each number: "burst", all unmasked, then enabled; "linux", enabled and masked as
 * Linux does it, then one request_irq() after the other; and "off", all of them disabled again.
 * MSI has the first and the last, and numbers that are powers of two. A device's signal is one that
 * VFIO raises for us (VFIO_IRQ_SET_DATA_NONE), through the same eventfd as the device's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/irqfd.h"
#include "irq/msi.h"
#include "irq/msix.h"
#include "vfio/device.h"
#include "vfio/iommu.h"
#include "vfio/irqset.h"

#define BASE     0x20 /* vectors of the APIC: BASE + i */
#define APIC_SVR 0xf0
#define APIC_IRR 0x200
#define MAX      192 /* of which an APIC has as many */

struct counts {
	unsigned commits, irqfds, set_irqs, largest;
};

static struct {
	const char *bdf;
	enum vfio_irq kind;
	struct vfio_device dev;
	struct vfio_irqset set;
	int vm, vcpu;
	struct gsi *gsi;
	struct loop *loop;
	struct msix *msix;
	struct msi *msi;
	struct counts counts;
	unsigned failed;
} t;

/* --- the kernel's door --- */

int __real_sys_ioctl(int fd, unsigned long request, void *arg);
int __wrap_sys_ioctl(int fd, unsigned long request, void *arg);

int __wrap_sys_ioctl(int fd, unsigned long request, void *arg)
{
	t.counts.commits += request == KVM_SET_GSI_ROUTING;
	t.counts.irqfds += request == KVM_IRQFD;
	if (request == VFIO_DEVICE_SET_IRQS) {
		const struct vfio_irq_set *set = arg;

		t.counts.set_irqs++;
		if (set->count > t.counts.largest)
			t.counts.largest = set->count;
	}
	return __real_sys_ioctl(fd, request, arg);
}

/* --- what was seen --- */

static void verdict(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void verdict(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s - ", good ? "ok" : "not ok");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	t.failed += !good;
}

/* Silent while it is well: a line for each of hundreds of counts is for those that differ. */
static void expect(unsigned got, unsigned want, unsigned n, const char *way, const char *what)
{
	if (got != want)
		verdict(false, "%s %u vectors, %s: %u %s, not %u", t.bdf, n, way, got, what, want);
}

static void expect_counts(unsigned n, const char *way, struct counts want)
{
	expect(t.counts.commits, want.commits, n, way, "commits");
	expect(t.counts.irqfds, want.irqfds, n, way, "KVM_IRQFD");
	expect(t.counts.set_irqs, want.set_irqs, n, way, "SET_IRQS");
	expect(t.counts.largest, want.largest, n, way, "vectors in the largest SET_IRQS");
	if (!(n & (n - 1)) || n % 24 == 0)
		printf("# %-5s %-6s %7u %8u %10u %9u %8u\n",
		       t.kind == VFIO_IRQ_MSI ? "MSI" : "MSI-X", way, n, t.counts.commits,
		       t.counts.irqfds, t.counts.set_irqs, t.counts.largest);
}

/* Interrupts of the host that vfio-pci has for the device: "… vfio-msix[3](0000:08:00.0)". */
static unsigned host_vectors(void)
{
	_cleanup_file_ FILE *f = fopen("/proc/interrupts", "re");
	char line[4096], word[64];
	unsigned n = 0;

	snprintf(word, sizeof(word), "](%s)", t.bdf);
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "vfio-msi") && strstr(line, word);
	return n;
}

/* --- the vCPU's APIC --- */

static int get_apic(struct kvm_lapic_state *ret)
{
	return SIZED_IOCTL(t.vcpu, KVM_GET_LAPIC, ret);
}

static int enable_apic(void)
{
	struct kvm_lapic_state apic;
	int r = get_apic(&apic);

	put_le32((uint8_t *)apic.regs + APIC_SVR, 0x1ff);
	return r < 0 ? r : SIZED_IOCTL(t.vcpu, KVM_SET_LAPIC, &apic);
}

/* How many of the n vectors are requested there; what is not one of them spoils it. */
static unsigned arrived(unsigned n)
{
	struct kvm_lapic_state apic;
	unsigned got = 0;

	if (get_apic(&apic) < 0)
		return 0;
	for (unsigned v = 0; v < 256; v++) {
		if (!(get_le32((uint8_t *)apic.regs + APIC_IRR + v / 32 * 0x10) & 1u << v % 32))
			continue;
		if (v < BASE || v >= BASE + n)
			return 0;
		got++;
	}
	return got;
}

static void forget(void)
{
	struct kvm_lapic_state apic;

	if (get_apic(&apic) < 0)
		return;
	memset(apic.regs + APIC_IRR, 0, 0x80);
	SIZED_IOCTL(t.vcpu, KVM_SET_LAPIC, &apic);
}

/* Each once, by a request of its own: the vectors between may be nobody's. */
static void fire(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct vfio_irq_set set = {
			.argsz = sizeof(set),
			.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = (uint32_t)t.kind,
			.start = i,
			.count = 1,
		};

		__real_sys_ioctl(t.dev.fd, VFIO_DEVICE_SET_IRQS, &set);
	}
}

static void expect_all_arrive(unsigned n, const char *way)
{
	forget();
	fire(n);
	for (unsigned i = 0; i < 2000 && arrived(n) != n; i++)
		usleep(1000);
	expect(arrived(n), n, n, way, "arrived");
}

static void expect_live(unsigned n, const char *way)
{
	struct vector_stats s;

	vectors_stats(t.msi ? msi_vectors(t.msi) : msix_vectors(t.msix), &s);
	expect(s.irqfds, n, n, way, "in KVM's hands");
	expect(s.user, 0, n, way, "on the user path");
	expect((unsigned)s.failures, 0, n, way, "requests refused");
	expect(host_vectors(), n, n, way, "interrupts of the host");
	expect_all_arrive(n, way);
}

/* --- the guest's register writes --- */

static void write_u32(unsigned v, unsigned off, uint32_t value)
{
	uint8_t b[4];

	put_le32(b, value);
	msix_table_write(t.msix, (uint64_t)v * MSIX_ENTRY_SIZE + off, b, 4);
}

static void write_message(unsigned v, uint32_t data)
{
	write_u32(v, PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee00000);
	write_u32(v, PCI_MSIX_ENTRY_UPPER_ADDR, 0);
	write_u32(v, PCI_MSIX_ENTRY_DATA, data);
}

static void set_mask(unsigned v, bool masked)
{
	write_u32(v, PCI_MSIX_ENTRY_VECTOR_CTRL, masked);
}

static void request(unsigned v)
{
	write_message(v, BASE + v);
	set_mask(v, false);
}

static void burst(unsigned n)
{
	for (unsigned v = 0; v < n; v++)
		request(v);
	msix_set_control(t.msix, PCI_MSIX_FLAGS_ENABLE);
}

/* As tests/unit/test_irq_many.c has it; what the VMM's timer does comes at the end. */
static void linux_way(unsigned n)
{
	msix_set_control(t.msix, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (unsigned v = 0; v < t.set.count; v++)
		set_mask(v, true);
	msix_set_control(t.msix, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned v = 0; v < n; v++)
		request(v);
	vectors_settle(msix_vectors(t.msix));
}

static void off(unsigned n)
{
	t.counts = (struct counts){ 0 };
	if (t.msix)
		msix_reset(t.msix);
	else
		msi_reset(t.msi);
	expect_counts(n, "off", (struct counts){ .irqfds = n, .set_irqs = 1 });
	expect(host_vectors(), 0, n, "off", "interrupts of the host");
}

/* --- the rounds --- */

static void msix_round(unsigned n)
{
	/* The first request enters the mode. Without room for more later it has the whole table. */
	unsigned largest = t.set.noresize ? t.set.count : 1;

	t.counts = (struct counts){ 0 };
	burst(n);
	expect_counts(n, "burst", (struct counts){ 1, n, 2, t.set.noresize ? t.set.count : n });
	expect_live(n, "burst");
	off(n);

	t.counts = (struct counts){ 0 };
	linux_way(n);
	expect_counts(n, "linux", (struct counts){ 1, n, 1 + n, largest });
	expect_live(n, "linux");
	off(n);
}

static void msi_put(unsigned off, uint32_t value, unsigned len)
{
	uint8_t b[4];

	put_le32(b, value);
	msi_write(t.msi, off, b, len);
}

static void msi_round(unsigned n)
{
	unsigned log2 = (unsigned)__builtin_ctz(n);

	msi_put(PCI_MSI_ADDRESS_LO, 0xfee00000, 4);
	msi_put(PCI_MSI_ADDRESS_HI, 0, 4);
	msi_put(PCI_MSI_DATA_64, BASE, 2);
	t.counts = (struct counts){ 0 };
	msi_put(PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | log2 << 4, 2);
	/* The mode with room for as many as the guest asked for, then all. */
	expect_counts(n, "burst", (struct counts){ 1, n, 2, n });
	expect_live(n, "burst");
	off(n);
}

/* --- life --- */

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	return vfio_irqset_trigger(t.dev.fd, t.kind, first, n, fds);
}

static void disable(void *opaque)
{
	(void)vfio_irqset_disable(t.dev.fd, t.kind);
}

static const struct vector_ops ops = { .set_vectors = set_vectors, .disable = disable };

static int open_vm(struct err *err)
{
	_cleanup_close_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	uint64_t need;

	t.vm = kvm < 0 ? -errno : VALUE_IOCTL(kvm, KVM_CREATE_VM, 0);
	if (t.vm < 0 || VALUE_IOCTL(t.vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_set(err, -EIO, "no VM with interrupt controllers");
	t.vcpu = VALUE_IOCTL(t.vm, KVM_CREATE_VCPU, 0);
	t.loop = loop_new();
	if (t.vcpu < 0 || !t.loop || enable_apic() < 0 || irqfd_reserve(MAX, &need) < 0)
		return err_set(err, -EIO, "no vCPU to interrupt");
	return gsi_new(t.vm, &t.gsi, err);
}

static int open_vectors(struct err *err)
{
	struct vector_config config = {
		.name = t.bdf, .vm_fd = t.vm, .gsi = t.gsi, .loop = t.loop, .ops = &ops
	};
	int r = vfio_irqset_get(t.dev.fd, t.kind, &t.set);

	if (r < 0)
		return err_set(err, r, "%s: no vectors", t.bdf);
	config.count = t.set.count;
	config.noresize = t.set.noresize;
	return t.kind == VFIO_IRQ_MSI ? msi_new(&config, PCI_MSI_FLAGS_64BIT, &t.msi, err)
				      : msix_new(&config, &t.msix, err);
}

static void rounds(unsigned max)
{
	printf("# %-5s %-6s %7s %8s %10s %9s %8s\n", "kind", "way", "vectors", "commits",
	       "KVM_IRQFD", "SET_IRQS", "largest");
	for (unsigned n = 1; n <= max; n = t.msi ? 2 * n : n + 1)
		(t.msi ? msi_round : msix_round)(n);
	verdict(!t.failed,
		"%s, %s (%s): up to %u of %u vectors cost what docs/interrupts.md says, "
		"and each reaches the vCPU",
		t.bdf, t.msi ? "MSI" : "MSI-X", t.set.noresize ? "NORESIZE" : "can grow", max,
		t.set.count);
}

static int in_container(const char *group, unsigned max, struct err *err)
{
	_cleanup_close_ int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int group_fd = -1;
	struct iommu *iommu = NULL;
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group_fd < 0)
		return err_set(err, -errno, "cannot open %s", path);
	r = iommu_type1_new(container, &iommu, err);
	if (r == 0)
		r = iommu_type1_add_group(iommu, group_fd, (unsigned)atoi(group), err);
	if (r == 0)
		r = iommu_type1_device_fd(group_fd, t.bdf, "", &fd, err);
	if (r == 0)
		r = vfio_device_init(&t.dev, fd, t.bdf, err);
	if (r == 0)
		r = open_vm(err);
	if (r == 0)
		r = open_vectors(err);
	if (r == 0 && (max > MAX || max > t.set.count))
		r = err_plain(err, -EINVAL, "%s has %u vectors, not %u", t.bdf, t.set.count, max);
	if (r == 0)
		rounds(max);
	msix_free(t.msix);
	msi_free(t.msi);
	vfio_device_fini(&t.dev);
	iommu_free(iommu);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (argc != 5) {
		fprintf(stderr, "usage: vectors GROUP BDF msix|msi MAX\n");
		return 2;
	}
	t.bdf = argv[2];
	t.kind = strcmp(argv[3], "msi") == 0 ? VFIO_IRQ_MSI : VFIO_IRQ_MSIX;
	if (in_container(argv[1], (unsigned)atoi(argv[4]), &err) < 0)
		verdict(false, "vectors: %s", err.text);
	return t.failed != 0;
}
