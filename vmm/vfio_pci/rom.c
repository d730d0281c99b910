// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The expansion ROM: the device's own, a file's, or none. Few guests look at it, so it is read
 * when one first turns it on; from then on it is memory that can be read only.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/le.h"
#include "base/log.h"
#include "base/size.h"
#include "vmm/bus.h"
#include "vmm/handover.h"
#include "vmm/memslot.h"
#include "vmm/vm.h"

#define ROM_MIN (2 * KiB)
#define ROM_MAX (16 * MiB) /* what the register can say */

static uint64_t pow2_above(uint64_t size)
{
	uint64_t n = ROM_MIN;

	while (n < size)
		n *= 2;
	return n;
}

/* 0: there is none. */
static uint64_t file_size(const struct vfio_rom *rom)
{
	struct stat st;

	return fstat(rom->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 ?
		       (uint64_t)st.st_size :
		       0;
}

int vfio_pci_rom_init(struct vfio_pci *v, const uint8_t *raw, const struct vmm_device *d,
		      struct err *err)
{
	struct vfio_rom *rom = &v->rom;
	uint64_t size;

	rom->fd = -1;
	if (d->rom == VMM_ROM_OFF)
		return 0;
	if (d->rom == VMM_ROM_FILE) {
		rom->fd = d->rom_fd;
		size = file_size(rom);
		if (!size || size > ROM_MAX)
			return err_plain(err, -EINVAL, "%s: its ROM file is empty, or larger than %s",
					 v->pci.name, SIZE_STR(ROM_MAX));
	} else {
		/* The kernel shows no address where there is none, which spares a question. */
		if (!get_le32(raw + PCI_ROM_ADDRESS))
			return 0;
		if (vfio_region_get(v->dev.fd, VFIO_REGION_ROM, &rom->region) < 0)
			return 0;
		size = rom->region.size;
		if (!size || size > ROM_MAX)
			return 0;
	}
	rom->used = size;
	rom->size = pow2_above(size);
	v->pci.bar[PCI_ROM_BAR] = (struct pci_bar){ .type = PCI_BAR_ROM, .size = rom->size };
	return 0;
}

/* 0 or -errno. */
static int read_content(struct vfio_pci *v, uint8_t *data)
{
	struct vfio_rom *rom = &v->rom;
	uint64_t done = 0;
	ssize_t n;

	if (rom->fd < 0)
		return vfio_region_read(v->dev.fd, &rom->region, 0, data, (unsigned)rom->used);
	for (; done < rom->used; done += (uint64_t)n) {
		n = pread(rom->fd, data + done, rom->used - done, (off_t)done);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO; /* shorter than it was */
		n = n < 0 ? 0 : n;
	}
	return 0;
}

/* A guest that finds all-ones finds no ROM. */
static void load(struct vfio_pci *v)
{
	struct vfio_rom *rom = &v->rom;
	void *data = mmap(NULL, rom->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	int r;

	if (data == MAP_FAILED) {
		log_warn_limited("%s: no memory for its ROM", v->pci.name);
		return;
	}
	rom->data = data;
	memset(rom->data, 0xff, rom->size);
	r = read_content(v, rom->data);
	if (r < 0)
		log_warn_limited("%s: its ROM cannot be read: %s", v->pci.name, strerror(-r));
}

static void rom_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	const struct vfio_rom *rom = opaque;

	memset(data, 0xff, len);
	if (rom->data && off < rom->size && len <= rom->size - off)
		memcpy(data, rom->data + off, len);
}

static void rom_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	(void)opaque, (void)off, (void)data, (void)len; /* read-only */
}

static const struct bus_ops rom_ops = { .read = rom_read, .write = rom_write };

void vfio_pci_rom_set(struct vfio_pci *v, bool on, uint64_t addr)
{
	struct vfio_rom *rom = &v->rom;
	struct vm *vm = v->set->vm;
	struct err err = ERR_INIT;

	if (!on) {
		if (rom->mapped)
			memslot_clear(vm->slots, rom->slot);
		rom->mapped = false;
		bus_remove(vm->mmio, addr);
		return;
	}
	if (!rom->data)
		load(v);
	if (bus_add(vm->mmio, addr, rom->size, v->pci.name, &rom_ops, rom, &err) < 0) {
		log_warn_limited("%s: its ROM: %s", v->pci.name, err.text);
		return;
	}
	/* One of half a page, or without a slot, is read by exits. */
	rom->mapped = rom->data && rom->size >= 4 * KiB &&
		      memslot_set(vm->slots, addr, rom->size, rom->data, true, &v->memory,
				  &rom->slot) >= 0;
}

void vfio_pci_rom_fini(struct vfio_pci *v)
{
	struct vfio_rom *rom = &v->rom;

	if (rom->mapped)
		memslot_clear(v->set->vm->slots, rom->slot);
	if (rom->data)
		munmap(rom->data, rom->size);
	*rom = (struct vfio_rom){ .fd = -1 };
}
