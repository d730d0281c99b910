// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_rom.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/le.h"
#include "base/log.h"
#include "base/size.h"
#include "tools/vm_open.h"

#define ROM_MAX (16 * MiB)
/* The header of an image and the data structure that it points to. */
#define ROM_PCIR_POINTER 0x18
#define PCIR_SIZE	 0x18
#define PCIR_VENDOR	 0x04
#define PCIR_DEVICE	 0x06
#define PCIR_LENGTH	 0x10 /* in 512 bytes */
#define PCIR_LAST	 0x15 /* bit 7: no image follows */
#define IMAGES_MAX	 64

struct image {
	uint16_t vendor, device;
	uint64_t length; /* bytes */
	bool last;
};

/* What is wrong with the image at off, NULL: nothing. */
static const char *read_image(int fd, uint64_t off, uint64_t size, struct image *ret)
{
	uint8_t head[ROM_PCIR_POINTER + 2], pcir[PCIR_SIZE];
	uint64_t at;

	if (off + sizeof(head) > size || pread(fd, head, sizeof(head), (off_t)off) != sizeof(head))
		return "it ends before its last image does";
	if (head[0] != 0x55 || head[1] != 0xaa)
		return "an image does not begin with 55 aa";
	at = off + get_le16(head + ROM_PCIR_POINTER);
	if (at + sizeof(pcir) > size || pread(fd, pcir, sizeof(pcir), (off_t)at) != sizeof(pcir) ||
	    memcmp(pcir, "PCIR", 4) != 0)
		return "an image has no PCI data structure";
	*ret = (struct image){ get_le16(pcir + PCIR_VENDOR), get_le16(pcir + PCIR_DEVICE),
			       get_le16(pcir + PCIR_LENGTH) * 512ull, pcir[PCIR_LAST] & 0x80 };
	return ret->length ? NULL : "an image has no length";
}

static const char *read_images(int fd, uint64_t size, struct image *ret_first)
{
	struct image image = { 0 };
	uint64_t off = 0;

	for (unsigned i = 0; i < IMAGES_MAX && !image.last; i++, off += image.length) {
		const char *wrong = read_image(fd, off, size, &image);

		if (wrong)
			return wrong;
		if (i == 0)
			*ret_first = image;
	}
	return image.last && off <= size ? NULL : "it ends before its last image does";
}

static void warn_of_other_ids(int root, struct bdf bdf, const char *path, const struct image *image)
{
	uint64_t vendor, device;

	if (hostfs_read_u64(root, &vendor, "sys/bus/pci/devices/%s/vendor", BDF_STR(bdf)) < 0 ||
	    hostfs_read_u64(root, &device, "sys/bus/pci/devices/%s/device", BDF_STR(bdf)) < 0 ||
	    (image->vendor == vendor && image->device == device))
		return;
	log_warn("%s is a ROM for %04x:%04x, and %s is %04x:%04x", path, image->vendor,
		 image->device, BDF_STR(bdf), (unsigned)vendor, (unsigned)device);
}

int vm_rom_open(int root, struct bdf bdf, const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct image first = { 0 };
	const char *wrong;
	struct stat st;
	int r = vm_open_file("romfile=", path, &fd, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "romfile=: cannot read %s", path);
	if ((uint64_t)st.st_size > ROM_MAX)
		return err_plain(err, -EINVAL, "romfile=: %s is no ROM: it is larger than %s", path,
				 SIZE_STR(ROM_MAX));
	wrong = read_images(fd, (uint64_t)st.st_size, &first);
	if (wrong) {
		err_plain(err, -EINVAL, "romfile=: %s is no ROM: %s", path, wrong);
		return err_hint(err, "what a tool read by way of a card's flash begins before the ROM: cut off "
				     "what stands before the first 55 aa");
	}
	warn_of_other_ids(root, bdf, path, &first);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int vm_rom_refuse_boot_display(int root, struct bdf bdf, struct err *err)
{
	uint64_t boot;

	/* Only a display has the file. */
	if (hostfs_read_u64(root, &boot, "sys/bus/pci/devices/%s/boot_vga", BDF_STR(bdf)) < 0 || !boot)
		return 0;
	err_plain(err, -EBUSY, "cannot attach %s: it is the display that this host's firmware started, so "
			       "that its ROM is not what a guest's driver expects", BDF_STR(bdf));
	return err_hint(err, "give it a copy of the ROM (%s,romfile=FILE) or none (%s,rom=off)",
			BDF_STR(bdf), BDF_STR(bdf));
}
