/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator wants of this host: /etc/thruway/host.yaml and the drop-ins
 * host.d/(name).yaml, as data. Values are kept as the words they were written in, checked
 * and made uniform ("yes" is "on"), each with its place, so that what contradicts
 * something can name both places.
 */
#ifndef HOST_SPEC_H
#define HOST_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "sriov/vf_attr.h"

#define SPEC_DIR      "etc/thruway"
#define SPEC_FILE     "host.yaml"
#define SPEC_DROP_INS "host.d"

#define SPEC_FILE_SIZE_MAX (256u << 10) /* bytes of one file */
#define SPEC_FILES_MAX	   128
#define SPEC_VISITS_MAX	   65536 /* values of one file, aliases counted each time */
#define SPEC_TEXT_MAX	   192
#define SPEC_PLACE_MAX	   288

/* Line and column count from 1; line 0: nowhere. */
struct spec_place {
	unsigned file; /* of spec.files */
	unsigned line, column;
};

struct spec_setting {
	const char *text; /* owned by the spec; NULL: not given */
	struct spec_place at;
};

/* What tells a device from others; all that are given must fit. */
enum spec_match {
	SPEC_FINGERPRINT, /* as vfio/pci_path.h has it */
	SPEC_VENDOR,	  /* "8086" */
	SPEC_DEVICE_ID,
	SPEC_SUBSYSTEM, /* "8086:a03c" */
	SPEC_SERIAL,	/* 16 hexadecimal digits */
	SPEC_PATH,	/* "pci0000:00/01.0/00.0" */
	SPEC_MAC,	/* of its interface, the permanent one */
	SPEC_SLOT,	/* name of a physical slot */
	SPEC_NETDEV,	/* name of its interface */
	SPEC_ADDRESS,	/* "0000:01:00.0", which moves when a card is added */
	SPEC_MATCH_COUNT
};

struct spec_target {
	struct spec_place at;
	struct spec_setting match[SPEC_MATCH_COUNT];
	struct spec_setting count; /* how many devices it means: a number or "all"; NULL: 1 */
};

enum spec_device_key {
	SPEC_DEVICE_DRIVER, /* NULL: the VFIO driver made for it */
	SPEC_DEVICE_GROUP,  /* on: the rest of its IOMMU group too */
	SPEC_DEVICE_POOL,
	SPEC_DEVICE_COUNT
};

struct spec_device {
	struct spec_target target;
	struct spec_setting set[SPEC_DEVICE_COUNT];
};

enum spec_pf_key {
	SPEC_PF_NUMVFS,
	SPEC_PF_LINK,	 /* up or down */
	SPEC_PF_ESWITCH, /* legacy or switchdev */
	SPEC_PF_QUEUES,	 /* of each VF of an NVMe controller */
	SPEC_PF_INTERRUPTS,
	SPEC_PF_COUNT
};

/* The keys of a VF: first those of enum vf_attr (mac also "stable"), then */
enum spec_vf_key { SPEC_VF_DRIVER = VF_ATTR_COUNT, SPEC_VF_POOL, SPEC_VF_COUNT };

struct spec_vfs {
	struct spec_setting range; /* "0-3,6" */
	struct spec_setting set[SPEC_VF_COUNT];
};

struct spec_pf {
	struct spec_target target;
	struct spec_setting set[SPEC_PF_COUNT];
	struct spec_vfs *vfs; /* malloced */
	size_t vfs_count;
};

struct spec_hugepages {
	struct spec_place at;
	struct spec_setting node, size, count;
};

struct spec {
	char **files; /* names as messages have them, in the order they were read */
	size_t file_count;
	struct spec_device *devices;
	size_t device_count;
	struct spec_pf *pfs;
	size_t pf_count;
	struct spec_hugepages *hugepages;
	size_t hugepages_count;
	const char *passed_over; /* a drop-in that is none by the end of its name; NULL: none */
	char **texts; /* every setting's */
	size_t text_count;
};

#define SPEC_INIT { NULL }

/*
 * Read host.yaml and the drop-ins in the order of their names; neither need be there.
 * 0; -EINVAL with "host.yaml:3:5: …" in err; other -errno. spec_fini() frees *ret, also
 * after a failure.
 */
int spec_load(int root, struct spec *ret, struct err *err);

/* Only this file; dir is AT_FDCWD or a directory. */
int spec_load_file(int dir, const char *path, struct spec *ret, struct err *err);

/* A file's text, called `name` in messages. To what ret has already. */
int spec_load_text(const char *name, const char *text, size_t len, struct spec *ret,
		   struct err *err);

void spec_fini(struct spec *spec);

/* "host.yaml:3:5"; buf takes SPEC_PLACE_MAX bytes. Returns buf. */
char *spec_place_str(const struct spec *spec, struct spec_place at, char *buf);
#define SPEC_PLACE_STR(spec, at) spec_place_str((spec), (at), (char[SPEC_PLACE_MAX]){ 0 })

/* "vendor", "mac", …; of a VF: "mac", "driver", … */
const char *spec_match_word(enum spec_match key);
const char *spec_pf_word(enum spec_pf_key key);
const char *spec_vf_word(unsigned key);

#endif
