// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a guest: have the first display's DRM driver set a mode, which is not the one the console has,
 * and draw. The picture goes to standard output too, as PPM (P6), for the host's view of the display
 * to be compared with, and stays while a child of ours lives: the guest's end.
 *
 * The colours are others each time: nothing that a guest before left there passes for it.
 *
 * /dev/fb0 would not do: the console's cursor blinks there, and in the lab's kernels a write of just
 * one line is damage of no width (drm_fb_helper_memory_range_to_clip() takes the end of a line modulo
 * its length), which the driver does not copy to the display.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "drm_mode.h"

#define WIDTH  1024u
#define HEIGHT 768u
#define BARS   3u
#define MODES  128u

static int card;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "L2: display failed: %s: %m\n", what);
	exit(1);
}

static void drm(unsigned long request, void *arg, const char *what)
{
	if (ioctl(card, request, arg) < 0)
		fail(what);
}

/* The first CRTC and the first connector: the display has one of each. */
static void find_output(uint32_t *ret_crtc, uint32_t *ret_connector)
{
	uint32_t crtcs[8], connectors[8];
	struct drm_resources r = {
		.crtcs = (uintptr_t)crtcs,
		.count_crtcs = 8,
		.connectors = (uintptr_t)connectors,
		.count_connectors = 8,
	};

	drm(DRM_GET_RESOURCES, &r, "what there is");
	errno = ENODEV;
	if (r.count_crtcs < 1 || r.count_connectors < 1)
		fail("an output");
	*ret_crtc = crtcs[0];
	*ret_connector = connectors[0];
}

static void find_mode(uint32_t connector, struct drm_mode *ret_mode)
{
	static struct drm_mode modes[MODES];
	struct drm_connector probe = { .connector_id = connector }, c;

	drm(DRM_GET_CONNECTOR, &probe, "the connector"); /* with no room the driver asks the monitor */
	c = (struct drm_connector){
		.connector_id = connector,
		.modes = (uintptr_t)modes,
		.count_modes = MODES,
	};
	drm(DRM_GET_CONNECTOR, &c, "the modes");
	for (uint32_t i = 0; i < c.count_modes && i < MODES; i++) {
		if (modes[i].hdisplay == WIDTH && modes[i].vdisplay == HEIGHT) {
			*ret_mode = modes[i];
			return;
		}
	}
	errno = ENOENT;
	fail("a mode of that size");
}

/* Memory of the display's own, mapped here, and the frame buffer that it is. */
static uint8_t *frame_buffer(uint32_t *ret_pitch, uint32_t *ret_fb)
{
	struct drm_create_dumb dumb = { .width = WIDTH, .height = HEIGHT, .bpp = 32 };
	struct drm_map_dumb map = { 0 };
	struct drm_add_fb fb;
	uint8_t *p;

	drm(DRM_CREATE_DUMB, &dumb, "a buffer");
	fb = (struct drm_add_fb){
		.width = WIDTH,
		.height = HEIGHT,
		.pitch = dumb.pitch,
		.bpp = 32,
		.depth = 24,
		.handle = dumb.handle,
	};
	drm(DRM_ADD_FB, &fb, "a frame buffer");
	map.handle = dumb.handle;
	drm(DRM_MAP_DUMB, &map, "where to map it");
	p = mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, (off_t)map.offset);
	if (p == MAP_FAILED)
		fail("mapping it");
	*ret_pitch = dumb.pitch;
	*ret_fb = fb.fb_id;
	return p;
}

static void set_mode(uint32_t crtc, uint32_t connector, uint32_t fb, const struct drm_mode *mode)
{
	struct drm_set_crtc set = {
		.connectors = (uintptr_t)&connector,
		.count_connectors = 1,
		.crtc_id = crtc,
		.fb_id = fb,
		.mode_valid = 1,
		.mode = *mode,
	};

	drm(DRM_SET_CRTC, &set, "setting the mode");
}

/* Bars from top to bottom, a white frame, and a diagonal that shows lines which are too long. */
static uint32_t pixel(const uint32_t colors[BARS], uint32_t x, uint32_t y)
{
	if (x == 0 || y == 0 || x == WIDTH - 1 || y == HEIGHT - 1 || x == y)
		return 0xffffff;
	return colors[y * BARS / HEIGHT];
}

static void draw(uint8_t *buffer, uint32_t pitch, const uint32_t colors[BARS])
{
	static uint32_t line[WIDTH];
	static uint8_t rgb[WIDTH * 3];

	printf("P6\n%u %u\n255\n", WIDTH, HEIGHT);
	for (uint32_t y = 0; y < HEIGHT; y++) {
		for (uint32_t x = 0; x < WIDTH; x++) {
			line[x] = pixel(colors, x, y);
			rgb[x * 3] = (uint8_t)(line[x] >> 16);
			rgb[x * 3 + 1] = (uint8_t)(line[x] >> 8);
			rgb[x * 3 + 2] = (uint8_t)line[x];
		}
		memcpy(buffer + (size_t)y * pitch, line, sizeof(line));
		fwrite(rgb, sizeof(rgb), 1, stdout);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		fail("the copy");
}

/* None is black or white; red, green and blue lead in turn, for who looks at it. */
static void pick(uint32_t ret_colors[BARS])
{
	if (getrandom(ret_colors, BARS * sizeof(*ret_colors), GRND_INSECURE) != BARS * sizeof(*ret_colors))
		fail("colours");
	for (unsigned i = 0; i < BARS; i++)
		ret_colors[i] = (ret_colors[i] & 0x3f3f3f) | (0xc0u << (16 - 8 * i));
}

int main(void)
{
	uint32_t crtc, connector, pitch, fb, colors[BARS];
	struct drm_mode mode;
	uint8_t *buffer;

	card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	if (card < 0)
		fail("/dev/dri/card0");
	find_output(&crtc, &connector);
	find_mode(connector, &mode);
	buffer = frame_buffer(&pitch, &fb);
	pick(colors);
	set_mode(crtc, connector, fb, &mode);
	draw(buffer, pitch, colors);
	if (fork() == 0)
		pause(); /* who set the mode keeps it while it has the card open */
	return 0;
}
