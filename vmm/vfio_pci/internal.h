/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of vmm/vfio_pci/ share. */
#ifndef VMM_VFIO_PCI_INTERNAL_H
#define VMM_VFIO_PCI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/range.h"
#include "vfio/device.h"
#include "vfio/region.h"
#include "vmm/mem.h"
#include "vmm/memslot.h"
#include "vmm/pci/pci.h"
#include "vmm/vfio_pci/vfio_pci.h"

#define VFIO_PCI_MAX_GROUPS 32
/* Areas of a BAR, each of which the table and the pending bits may cut in two. */
#define VFIO_PCI_MAX_SPANS (VFIO_REGION_MAX_AREAS + 2)

struct dma;
struct intx;
struct iommu;
struct msi;
struct msix;
struct vfio_closing;
struct vmm_device;

/* A piece of a BAR that the guest reaches without an exit. */
struct bar_span {
	struct range range; /* in the BAR */
	uint8_t *hva;
	unsigned slot; /* while the BAR is on */
	bool mapped;   /* has a slot */
	bool dma;      /* mapped for other devices' DMA, at dma_iova */
	iova_t dma_iova;
};

struct vfio_pci;

struct vfio_bar {
	struct vfio_pci *v; /* it is one of v->bar[] */
	struct vfio_region region;
	bool io;
	unsigned nspans;
	struct bar_span spans[VFIO_PCI_MAX_SPANS];
};

/* Where a guest finds its expansion ROM, if it has one. */
struct vfio_rom {
	int fd; /* of a file, borrowed; -1: the device's own */
	struct vfio_region region;
	uint64_t used, size; /* bytes; size is what decodes, a power of two; 0: no ROM */
	uint8_t *data;	     /* once it was looked at */
	unsigned slot;
	bool mapped; /* has a slot */
};

/* MSI-X table or pending bits: which BAR, where. */
struct msix_place {
	unsigned bar;
	struct range range;
};

/* A device on its way out of a guest that runs. */
enum vfio_leave { LEAVE_NOT, LEAVE_ASKED, LEAVE_READY };

/* How it went: the guest let go of it, its slot says that it was pulled out, or nothing does. */
enum vfio_way { WAY_ASKED, WAY_PULLED, WAY_SILENT };

/* What is left to be said of one that is closed. */
struct vfio_departure {
	unsigned group;
	enum vfio_way way;
	char name[sizeof(((struct pci_dev *)0)->name)];
};

struct vfio_pci {
	struct pci_dev pci;
	struct vfio_pci_set *set; /* borrowed */
	struct vfio_device dev;
	unsigned group; /* its number */

	enum vfio_leave leave;
	int leave_timer; /* -1: nobody asked it to leave */
	bool requested;	 /* the host waits for it: a driver is being unbound, or it is removed */

	struct vfio_region config;
	uint8_t emulated[PCI_CONFIG_SIZE]; /* bits that come from pci.config, not from the device */
	unsigned express, msi_cap, msix_cap, pm_cap; /* offsets; 0: not there, as the next */
	unsigned af_cap; /* of advanced features, with an FLR */
	unsigned sriov;	 /* the guest does not see it */
	uint32_t clique;		     /* as in struct vmm_device */
	enum vfio_reset own; /* the best reset it has of its own, by its capabilities */
	bool touched;	     /* the guest wrote to it: there is something to reset */
	bool to_reset;	     /* silenced; the reset comes with the others' */
	struct {
		bool done, known;
		enum vfio_reset kind;
		char cause[160]; /* "": it was verified */
	} last_reset;

	struct memslot_owner memory; /* whose the mappings of BARs and ROM are */
	struct vfio_bar bar[PCI_BARS];
	struct vfio_rom rom;
	struct msix_place table, pba;	    /* as the guest finds them */
	struct msix_place hw_table, hw_pba; /* in the device; the same unless they were moved */
	struct {
		bool open, known;
		unsigned dword;
		uint32_t bits;
	} pba_seen; /* what the access under way has read of the device's pending bits */
	bool move_msix;
	bool no_intx; /* withheld: the guest finds no pin */
	bool started; /* of one with an owner: as VM_DEVICE_STARTED */

	char msix_name[40], msi_name[40];
	struct msix *msix;
	struct msi *msi;
	struct intx *intx;
	int err_fd, req_fd;
};

struct vfio_pci_set {
	struct vm *vm; /* borrowed */
	struct iommu *iommu;
	struct dma *dma;
	struct mem_listener listener;
	bool listening;
	int kvm_device; /* KVM's VFIO device, -1: this kernel has none */
	unsigned ngroups;
	struct vfio_group_ref groups[VFIO_PCI_MAX_GROUPS]; /* descriptors owned */
	unsigned ndevices;
	struct vfio_pci **devices;
	struct vfio_closing *closing;
	bool resetting; /* between vfio_pci_reset_begin() and _end() */
	bool p2p_failed; /* said once */
};

static inline struct vfio_pci *to_vfio_pci(struct pci_dev *pci)
{
	return container_of(pci, struct vfio_pci, pci);
}

/* kvm_vfio.c: tell KVM of a group before its first device is opened. */
int kvm_vfio_add(struct vfio_pci_set *set, int group_fd, unsigned number, struct err *err);
void kvm_vfio_del(struct vfio_pci_set *set, int group_fd);

/* set.c. The container is borrowed; a group's descriptor is the set's once the group has joined. */
int vfio_pci_set_new(struct vm *vm, int container_fd, struct vfio_pci_set **ret, struct err *err);
int vfio_pci_add_group(struct vfio_pci_set *set, int fd, unsigned number, struct err *err);
/* When no device of it is left. With the last group RAM is unmapped, and no longer pinned. */
void vfio_pci_del_group(struct vfio_pci_set *set, unsigned number);

/*
 * Room for every vector's eventfd: best while the process is single-threaded; for one that is attached
 * later, at least not amid the guest's unmasking of it.
 */
void vfio_pci_reserve_fds(struct vfio_pci_set *set);

/*
 * reach.c: what of the guest a group that was refused does not reach: -EINVAL with err set. container_fd: one
 * without groups, which it is afterwards, too; -1 or one that gives no answer: 0, as where it reaches all.
 */
int vfio_pci_explain_reach(const struct vfio_pci_set *set, int group_fd, unsigned number,
			   int container_fd, struct err *err);

/* dma.c: guest RAM becomes reachable for the devices, bank by bank. */
int vfio_pci_map_ram(struct vfio_pci_set *set, struct err *err);
void vfio_pci_unmap_ram(struct vfio_pci_set *set);
/* Other devices' DMA to a BAR: best effort, a failure is said once. */
void vfio_pci_map_span(struct vfio_pci *v, struct bar_span *span, uint64_t bar_addr);
void vfio_pci_unmap_span(struct vfio_pci *v, struct bar_span *span);
/* The BARs that decode now, for a device that came later. */
void vfio_pci_map_live_bars(struct vfio_pci_set *set);

/* config.c */
int vfio_pci_config_init(struct vfio_pci *v, const struct vmm_device *d, struct err *err);
void vfio_pci_cfg_read(struct pci_dev *pci, unsigned off, uint8_t *data, unsigned len);
void vfio_pci_cfg_write(struct pci_dev *pci, unsigned off, const uint8_t *data, unsigned len);
/* The device's own command register, whatever the guest sees. */
void vfio_pci_set_command(struct vfio_pci *v, uint16_t command);

/* caps.c: the two capability lists, read once, with what is hidden left out. */
int vfio_pci_caps_init(struct vfio_pci *v, const uint8_t *raw, struct err *err);

/* clique.c: after the lists. */
int vfio_pci_clique_init(struct vfio_pci *v, const uint8_t *raw, struct err *err);

/* bars.c */
/* struct memslot_owner's answers(). */
bool vfio_pci_memory_answers(struct memslot_owner *owner);
int vfio_pci_bars_init(struct vfio_pci *v, const uint8_t *raw, struct err *err);
void vfio_pci_bars_fini(struct vfio_pci *v);
void vfio_pci_bar_set(struct pci_dev *pci, unsigned i, bool on, uint64_t addr);

/* rom.c */
int vfio_pci_rom_init(struct vfio_pci *v, const uint8_t *raw, const struct vmm_device *d,
		      struct err *err);
void vfio_pci_rom_fini(struct vfio_pci *v);
void vfio_pci_rom_set(struct vfio_pci *v, bool on, uint64_t addr);

/* irqs.c */
int vfio_pci_irqs_init(struct vfio_pci *v, const uint8_t *raw, struct err *err);
void vfio_pci_irqs_fini(struct vfio_pci *v);
/* All off, as after a reset of the function. */
void vfio_pci_irqs_reset(struct vfio_pci *v);
/* Vectors the guest may come to use: an eventfd each. */
unsigned vfio_pci_max_vectors(const struct vfio_pci *v);
/* The guest reads its pending bits, from off of them on. */
void vfio_pci_pba_read(struct vfio_pci *v, uint64_t off, uint8_t *data, unsigned len);
/* INTx follows the command register and the two message modes. */
void vfio_pci_intx_update(struct vfio_pci *v);
/* The host asked for it back, also if that was not attended to yet. */
bool vfio_pci_is_requested(struct vfio_pci *v);

/* use.c: tell of the first and the last that the guest's driver does with a device that has an owner. */
void vfio_pci_use_changed(struct vfio_pci *v);
/* It does not answer any more. */
bool vfio_pci_is_gone(const struct vfio_pci *v);

/* vfs.c: of this PF's virtual functions, how many the VM does not have. A reset of it hits them. */
unsigned vfio_pci_vfs_elsewhere(const struct vfio_pci *v);

/* slot.c: with whom v is to share a slot of the guest, before it is in one. */
void vfio_pci_name_slot(struct vfio_pci *v, const struct vmm_device *d);
/* v and those that share its slot, function 0 last. How many. */
unsigned vfio_pci_in_slot(struct vfio_pci *v, struct vfio_pci *ret[PCI_SLOT_FUNCTIONS]);

/* dev.c; a failure leaves nothing. */
int vfio_pci_dev_open(struct vfio_pci_set *set, const struct vfio_group_ref *group,
		      const struct vmm_device *d, struct vfio_pci **ret, struct err *err);
struct vfio_pci *vfio_pci_dev_close(struct vfio_pci *v); /* NULL is fine */
/* All but the last: v is gone, and its descriptor is the caller's to close. */
int vfio_pci_dev_let_go(struct vfio_pci *v);
/* The guest resets the function alone; registers, interrupts and the device forget. */
void vfio_pci_function_reset(struct vfio_pci *v);

/*
 * reset.c. The guest goes on, and with it its other devices: no reset hits them. Nobody is told, as a
 * guest may do it as often as it likes.
 */
void vfio_pci_reset_alone(struct vfio_pci *v);
/* The same where the guest resets all in its slot, by the bus below the port: with the last of them. */
void vfio_pci_reset_slot(struct vfio_pci *v);
/*
 * What was in one slot is about to be closed while the guest goes on; the kernel resets what has a reset
 * of its own then.
 */
void vfio_pci_reset_leaving(struct vfio_pci *const *all, unsigned n);
/* All of them are about to be closed. */
void vfio_pci_reset_last(struct vfio_pci_set *set);
/* No interrupt and no DMA of it from here on. */
void vfio_pci_silence(struct vfio_pci *v);

/* plug.c. In a slot, by which the guest hears of it; a conventional PCI device is in none. */
bool vfio_pci_has_slot(const struct vfio_pci *v);
/*
 * Ask the guest to let go of it; when it does not in time, it is taken away. All in its slot go
 * with it, here and below.
 */
void vfio_pci_leave(struct vfio_pci *v);
/* Take it out of the guest now; v, and what was in its slot, is gone then. Not from a vCPU's thread. */
void vfio_pci_take_out(struct vfio_pci *v);
/* The same for one that may be dead: it is closed aside, and out of the guest once that is over. */
void vfio_pci_drop(struct vfio_pci *v);
/* What follows the close of one that was taken out. */
void vfio_pci_is_out(struct vfio_pci_set *set, const struct vfio_departure *left);
/* ops->eject; and it is closed. */
void vfio_pci_ejected(struct pci_dev *pci);
void vfio_pci_leave_fini(struct vfio_pci *v);

/*
 * closing.c: fd is closed on a thread, and then vfio_pci_is_out() is called. 0, or -errno: fd is
 * still the caller's.
 */
int vfio_pci_close_aside(struct vfio_pci_set *set, const struct vfio_departure *left, int fd);
bool vfio_pci_is_closing_of(const struct vfio_pci_set *set, unsigned group);
/* Wait for all of them; nobody is told any more. */
void vfio_pci_closing_end(struct vfio_pci_set *set);

#endif
