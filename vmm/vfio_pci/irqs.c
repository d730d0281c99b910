// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where irq/ meets vfio/: the vectors of MSI-X and MSI, the INTx line, and the two
 * events of the device itself. VFIO lets a device signal in one of the three ways
 * at a time, so INTx is taken away before a message mode begins and comes back
 * when it has ended.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/le.h"
#include "base/log.h"
#include "base/loop.h"
#include "irq/intx.h"
#include "irq/irqfd.h"
#include "irq/msi.h"
#include "irq/msix.h"
#include "vfio/irqset.h"
#include "vmm/vm.h"

/* --- the device's side of the vectors --- */

static void intx_off(struct vfio_pci *v)
{
	if (v->intx)
		(void)intx_set(v->intx, false, 0);
}

static int set_msix(void *opaque, unsigned first, unsigned n, const int *fds)
{
	struct vfio_pci *v = opaque;

	intx_off(v);
	return vfio_irqset_trigger(v->dev.fd, VFIO_IRQ_MSIX, first, n, fds);
}

static void disable_msix(void *opaque)
{
	struct vfio_pci *v = opaque;

	(void)vfio_irqset_disable(v->dev.fd, VFIO_IRQ_MSIX);
}

static int set_msi(void *opaque, unsigned first, unsigned n, const int *fds)
{
	struct vfio_pci *v = opaque;

	intx_off(v);
	return vfio_irqset_trigger(v->dev.fd, VFIO_IRQ_MSI, first, n, fds);
}

static void disable_msi(void *opaque)
{
	struct vfio_pci *v = opaque;

	(void)vfio_irqset_disable(v->dev.fd, VFIO_IRQ_MSI);
}

/*
 * A dword of pending bits: nothing narrower need work (PCIe 7.7.2.8). It is the same for all of them that
 * one access of the guest asks for, each of which would be a read of the device.
 */
static uint32_t pba_dword(struct vfio_pci *v, unsigned n)
{
	uint64_t off = v->hw_pba.range.start + n * 4;
	uint8_t b[4] = { 0 };

	if (v->pba_seen.known && v->pba_seen.dword == n)
		return v->pba_seen.bits;
	if (vfio_region_read(v->dev.fd, &v->bar[v->hw_pba.bar].region, off, b, sizeof(b)) < 0)
		put_le32(b, 0);
	v->pba_seen.known = v->pba_seen.open;
	v->pba_seen.dword = n;
	v->pba_seen.bits = get_le32(b);
	return v->pba_seen.bits;
}

/*
 * While the host has no interrupt for a vector, it is masked in the device, which keeps its
 * pending bit.
 */
static bool pending_msix(void *opaque, unsigned i)
{
	return pba_dword(opaque, i / 32) & 1u << i % 32;
}

void vfio_pci_pba_read(struct vfio_pci *v, uint64_t off, uint8_t *data, unsigned len)
{
	v->pba_seen.open = true;
	msix_pba_read(v->msix, off, data, len);
	v->pba_seen.open = v->pba_seen.known = false;
}

static bool pending_msi(void *opaque, unsigned i)
{
	struct vfio_pci *v = opaque;
	uint64_t off = v->msi_cap + msi_size(v->msi) - 4; /* the last of the form with masks */
	uint8_t b[4] = { 0 };

	if (vfio_region_read(v->dev.fd, &v->config, off, b, sizeof(b)) < 0)
		return false;
	return get_le32(b) & 1u << i;
}

static const struct vector_ops msix_ops = {
	.set_vectors = set_msix,
	.disable = disable_msix,
	.pending = pending_msix,
};
static const struct vector_ops msi_ops = {
	.set_vectors = set_msi,
	.disable = disable_msi,
	.pending = pending_msi,
};

static int connect_intx(void *opaque, int trigger_fd, int unmask_fd)
{
	struct vfio_pci *v = opaque;
	int r = vfio_irqset_trigger(v->dev.fd, VFIO_IRQ_INTX, 0, 1, &trigger_fd);

	if (r < 0)
		return r;
	r = vfio_irqset_unmask_by(v->dev.fd, unmask_fd);
	if (r < 0)
		(void)vfio_irqset_disable(v->dev.fd, VFIO_IRQ_INTX);
	return r;
}

static void disconnect_intx(void *opaque)
{
	struct vfio_pci *v = opaque;

	(void)vfio_irqset_disable(v->dev.fd, VFIO_IRQ_INTX);
}

static const struct intx_ops intx_ops = { .connect = connect_intx, .disconnect = disconnect_intx };

void vfio_pci_intx_update(struct vfio_pci *v)
{
	uint16_t command = get_le16(v->pci.config + PCI_COMMAND);
	bool on;
	int r;

	if (!v->intx)
		return;
	/* Before a driver turned anything on there is nothing to signal. */
	on = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER) &&
	     !(command & PCI_COMMAND_INTX_DISABLE) &&
	     !(v->msix && vectors_enabled(msix_vectors(v->msix))) &&
	     !(v->msi && vectors_enabled(msi_vectors(v->msi)));
	r = intx_set(v->intx, on, v->pci.intx_gsi);
	if (r < 0)
		log_warn_limited("%s: no INTx: %s", v->pci.name,
				 r == -EBUSY ? "another device of the host has the line, and this one "
					       "cannot share it" :
					       strerror(-r));
}

/* --- what the host has to say of the device --- */

/*
 * One error of a physical function is told to whoever has one of its virtual functions, and
 * nobody says here when it is over. A device that may be dead leaves by surprise: its
 * guest must not wait for it. `vm run` brings it back when it is well again.
 */
static void on_error(void *opaque, int fd)
{
	struct vfio_pci *v = opaque;

	if (!irqfd_drain(fd))
		return;
	log_warn_limited("%s: the host reports an uncorrectable error of the device; it is taken out "
			 "of the guest%s", v->pci.name,
			 vfio_pci_has_slot(v) ? "" : ", which is not told: it is in no slot");
	vm_event(v->set->vm, VM_DEVICE_ERROR, v->pci.name);
	vfio_pci_drop(v);
}

bool vfio_pci_is_requested(struct vfio_pci *v)
{
	if (v->req_fd >= 0 && irqfd_drain(v->req_fd))
		v->requested = true;
	return v->requested;
}

static const char *how_it_leaves(const struct vfio_pci *v)
{
	if (!vfio_pci_has_slot(v))
		return "it is taken out of the guest, which is not told: it is in no slot";
	return "it waits until the guest lets go of it";
}

/*
 * The kernel repeats it while it waits for us to close the device. A guest that cannot be asked has
 * nothing from a delay.
 */
static void on_request(void *opaque, int fd)
{
	struct vfio_pci *v = opaque;

	if (!irqfd_drain(fd))
		return;
	v->requested = true;
	if (v->leave != LEAVE_NOT)
		return;
	log_warn_limited("%s: the host asks for the device back; %s", v->pci.name, how_it_leaves(v));
	vm_event(v->set->vm, VM_DEVICE_REQUEST, v->pci.name);
	/* What was pulled out of the host does not work on while the guest takes its time. */
	if (!vfio_pci_has_slot(v) || vfio_pci_is_gone(v))
		vfio_pci_take_out(v);
	else
		vfio_pci_leave(v);
}

/* A device without the event is no worse for it. */
static int listen_to(struct vfio_pci *v, enum vfio_irq irq, loop_fn fn, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct vfio_irqset set;
	int r = vfio_irqset_get(v->dev.fd, irq, &set);

	if (r < 0 || !set.count)
		return 0;
	fd = irqfd_eventfd();
	if (fd < 0)
		return fd;
	r = loop_add(v->set->vm->loop, fd, fn, v);
	if (r < 0)
		return r;
	r = vfio_irqset_trigger(v->dev.fd, irq, 0, 1, &fd);
	if (r < 0) {
		loop_del(v->set->vm->loop, fd);
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void forget(struct vfio_pci *v, int *fd)
{
	if (*fd >= 0)
		loop_del(v->set->vm->loop, *fd);
	close_fdp(fd);
}

/* --- setting up --- */

static struct vector_config vectors_of(struct vfio_pci *v, const char *name,
				       const struct vector_ops *ops, unsigned count, bool noresize)
{
	return (struct vector_config){
		.name = name,
		.vm_fd = v->set->vm->fd,
		.gsi = v->set->vm->gsi,
		.loop = v->set->vm->loop,
		.ops = ops,
		.opaque = v,
		.count = count,
		.noresize = noresize,
	};
}

static int place(struct vfio_pci *v, uint32_t reg, uint64_t size, struct msix_place *ret,
		 struct err *err)
{
	*ret = (struct msix_place){ reg & PCI_MSIX_TABLE_BIR,
				    { reg & PCI_MSIX_TABLE_OFFSET, size } };
	if (ret->bar >= PCI_BARS)
		return err_plain(err, -EPROTO, "%s: its MSI-X table is in BAR %u", v->pci.name,
				 ret->bar);
	return 0;
}

static int init_msix(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	const uint8_t *cap = raw + v->msix_cap;
	struct vector_config config;
	struct vfio_irqset set;
	unsigned count;
	int r;

	if (!v->msix_cap || v->msix_cap > PCI_CFG_SPACE_SIZE - PCI_CAP_MSIX_SIZEOF ||
	    vfio_irqset_get(v->dev.fd, VFIO_IRQ_MSIX, &set) < 0 || !set.count)
		return 0;
	count = (get_le16(cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
	if (set.count < count)
		count = set.count;
	r = place(v, get_le32(cap + PCI_MSIX_TABLE), (uint64_t)count * MSIX_ENTRY_SIZE, &v->hw_table,
		  err);
	if (r == 0)
		r = place(v, get_le32(cap + PCI_MSIX_PBA), (count + 63) / 64 * 8, &v->hw_pba, err);
	if (r < 0)
		return r;
	v->table = v->hw_table;
	v->pba = v->hw_pba;
	memset(v->emulated + v->msix_cap, 0xff, PCI_CAP_MSIX_SIZEOF);
	memcpy(v->pci.config + v->msix_cap + PCI_MSIX_TABLE, cap + PCI_MSIX_TABLE, 8);
	snprintf(v->msix_name, sizeof(v->msix_name), "%s: MSI-X", v->dev.name);
	config = vectors_of(v, v->msix_name, &msix_ops, count, set.noresize);
	return msix_new(&config, &v->msix, err);
}

static int init_msi(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	struct vector_config config;
	struct vfio_irqset set;
	int r;

	if (!v->msi_cap || vfio_irqset_get(v->dev.fd, VFIO_IRQ_MSI, &set) < 0 || !set.count)
		return 0;
	snprintf(v->msi_name, sizeof(v->msi_name), "%s: MSI", v->dev.name);
	config = vectors_of(v, v->msi_name, &msi_ops, set.count, true);
	r = msi_new(&config, get_le16(raw + v->msi_cap + PCI_MSI_FLAGS), &v->msi, err);
	if (r < 0)
		return r;
	if (v->msi_cap > PCI_CFG_SPACE_SIZE - msi_size(v->msi))
		return err_plain(err, -EPROTO, "%s: its MSI capability does not fit", v->pci.name);
	memset(v->emulated + v->msi_cap, 0xff, msi_size(v->msi));
	return 0;
}

/* The kernel shows no pin where INTx cannot work (VFs, broken masking). */
static int init_intx(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	struct vfio_irqset set;

	if (v->no_intx || !raw[PCI_INTERRUPT_PIN] ||
	    vfio_irqset_get(v->dev.fd, VFIO_IRQ_INTX, &set) < 0 || !set.count)
		return 0;
	v->intx = intx_new(v->set->vm->fd, &intx_ops, v);
	if (!v->intx)
		return err_set(err, -ENOMEM, "%s: INTx", v->pci.name);
	v->pci.config[PCI_INTERRUPT_PIN] = 1;
	return 0;
}

int vfio_pci_irqs_init(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	int r = init_msix(v, raw, err);

	if (r == 0)
		r = init_msi(v, raw, err);
	if (r == 0)
		r = init_intx(v, raw, err);
	if (r < 0)
		return r;
	r = listen_to(v, VFIO_IRQ_ERR, on_error, &v->err_fd);
	if (r == 0)
		r = listen_to(v, VFIO_IRQ_REQ, on_request, &v->req_fd);
	return r < 0 ? err_set(err, r, "%s: its events cannot be watched", v->pci.name) : 0;
}

unsigned vfio_pci_max_vectors(const struct vfio_pci *v)
{
	unsigned n = v->msix ? vectors_count(msix_vectors(v->msix)) : 0;
	unsigned msi = v->msi ? vectors_count(msi_vectors(v->msi)) : 0;

	return n > msi ? n : msi;
}

void vfio_pci_irqs_reset(struct vfio_pci *v)
{
	if (v->msix)
		msix_reset(v->msix);
	if (v->msi)
		msi_reset(v->msi);
	intx_off(v);
}

void vfio_pci_irqs_fini(struct vfio_pci *v)
{
	v->msix = msix_free(v->msix);
	v->msi = msi_free(v->msi);
	v->intx = intx_free(v->intx);
	forget(v, &v->err_fd);
	forget(v, &v->req_fd);
}

/* --- reports --- */

static void add_stats(struct vfio_pci_vectors *sum, const struct vectors *vs)
{
	struct vector_stats s;

	vectors_stats(vs, &s);
	sum->live += s.live;
	sum->irqfds += s.irqfds;
	sum->user += s.user;
	sum->relayed += s.relayed;
	sum->failures += s.failures;
}

unsigned vfio_pci_count(const struct vfio_pci_set *set)
{
	return set ? set->ndevices : 0;
}

const char *vfio_pci_name(const struct vfio_pci_set *set, unsigned i)
{
	return set->devices[i]->pci.name;
}

void vfio_pci_vectors(const struct vfio_pci_set *set, struct vfio_pci_vectors *ret)
{
	*ret = (struct vfio_pci_vectors){ 0 };
	for (unsigned i = 0; i < vfio_pci_count(set); i++) {
		const struct vfio_pci *v = set->devices[i];

		if (v->msix)
			add_stats(ret, msix_vectors(v->msix));
		if (v->msi)
			add_stats(ret, msi_vectors(v->msi));
	}
}

void vfio_pci_reattach(struct vfio_pci_set *set)
{
	for (unsigned i = 0; i < vfio_pci_count(set); i++) {
		if (set->devices[i]->msix)
			vectors_reattach(msix_vectors(set->devices[i]->msix));
		if (set->devices[i]->msi)
			vectors_reattach(msi_vectors(set->devices[i]->msi));
	}
}

void vfio_pci_interrupts(const struct vfio_pci_set *set, unsigned i,
			 struct vfio_pci_interrupts *ret)
{
	const struct vfio_pci *v = set->devices[i];

	*ret = (struct vfio_pci_interrupts){ .name = v->pci.name, .mode = "none" };
	if (v->msix && vectors_enabled(msix_vectors(v->msix))) {
		ret->mode = "msix";
		ret->vectors = msix_vectors(v->msix);
	} else if (v->msi && vectors_enabled(msi_vectors(v->msi))) {
		ret->mode = "msi";
		ret->vectors = msi_vectors(v->msi);
	} else if (v->intx && intx_is_on(v->intx)) {
		ret->mode = "intx";
	}
}
