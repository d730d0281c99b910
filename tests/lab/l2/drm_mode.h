/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of the kernel's drm_mode.h as display.c sets a mode with. Debian's linux-libc-dev leaves
 * that header to libdrm-dev, which would be a package more for every build.
 */
#ifndef TESTS_LAB_L2_DRM_MODE_H
#define TESTS_LAB_L2_DRM_MODE_H

#include <stdint.h>
#include <sys/ioctl.h>

struct drm_mode {
	uint32_t clock;
	uint16_t hdisplay, hsync_start, hsync_end, htotal, hskew;
	uint16_t vdisplay, vsync_start, vsync_end, vtotal, vscan;
	uint32_t vrefresh, flags, type;
	char name[32];
};

struct drm_resources {
	uint64_t fbs, crtcs, connectors, encoders; /* where to put their ids */
	uint32_t count_fbs, count_crtcs, count_connectors, count_encoders;
	uint32_t min_width, max_width, min_height, max_height;
};

struct drm_connector {
	uint64_t encoders, modes, props, prop_values;
	uint32_t count_modes, count_props, count_encoders;
	uint32_t encoder_id, connector_id, type, type_id;
	uint32_t connection, mm_width, mm_height, subpixel, pad;
};

struct drm_create_dumb {
	uint32_t height, width, bpp, flags;
	uint32_t handle, pitch; /* from here on the answer */
	uint64_t size;
};

struct drm_map_dumb {
	uint32_t handle, pad;
	uint64_t offset; /* the answer: for mmap() */
};

struct drm_add_fb {
	uint32_t fb_id, width, height, pitch, bpp, depth, handle;
};

struct drm_set_crtc {
	uint64_t connectors;
	uint32_t count_connectors, crtc_id, fb_id, x, y, gamma_size, mode_valid;
	struct drm_mode mode;
};

#define DRM_GET_RESOURCES _IOWR('d', 0xa0, struct drm_resources)
#define DRM_SET_CRTC	  _IOWR('d', 0xa2, struct drm_set_crtc)
#define DRM_GET_CONNECTOR _IOWR('d', 0xa7, struct drm_connector)
#define DRM_ADD_FB	  _IOWR('d', 0xae, struct drm_add_fb)
#define DRM_CREATE_DUMB	  _IOWR('d', 0xb2, struct drm_create_dumb)
#define DRM_MAP_DUMB	  _IOWR('d', 0xb3, struct drm_map_dumb)

#endif
