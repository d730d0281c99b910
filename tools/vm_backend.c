// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_backend.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

/* How often one that is gone is looked for. */
#define LOOK_MS 250u
/* One that serves and is gone again is not tried more often than this, each time later than before. */
#define DELAY_MIN_MS 100u
#define DELAY_MAX_MS 30000u
/* But not if it served so long. */
#define LASTED_MS 10000u

bool vm_backend_is(const char *text)
{
	return strncmp(text, VM_BACKEND_WORD, strlen(VM_BACKEND_WORD)) == 0;
}

int vm_backend_parse(const char *option, const char *text, char ret[VM_BACKEND_PATH], struct err *err)
{
	const char *path = text + strlen(VM_BACKEND_WORD);

	if (!*path)
		return err_usage(err, "%s: '%s' names no socket", option, text);
	if (strlen(path) >= VM_BACKEND_PATH)
		return err_usage(err, "%s: the path of a socket has %d bytes at most", option,
				 VM_BACKEND_PATH - 1);
	strcpy(ret, path);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	/* It does not wait: where nobody takes us up in time, nobody listens. */
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int vm_backend_connect(const char *option, const char *path, int *ret_fd, struct err *err)
{
	int fd = connect_to(path);

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	err_set(err, fd, "%s: cannot connect to %s", option, path);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return err_hint(err, "start what is to serve the device (passt, qemu-storage-daemon, "
				     "virtiofsd and the like) before the VM");
	if (fd == -EPROTOTYPE)
		return err_hint(err, "vhost-user takes a stream socket");
	return fd;
}

/* --- while the guest runs --- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void vm_backends_add(struct vm_backends *b, enum vm_backend_device what, unsigned index,
		     const char *option, const char *path)
{
	b->backend[b->count++] = (struct vm_backend){
		.device = { what, index }, .option = option, .path = path, .of = b, .timer = -1,
		.delay_ms = DELAY_MIN_MS,
	};
}

static void look(void *opaque, int timer)
{
	struct vm_backend *one = opaque;
	_cleanup_close_ int fd = connect_to(one->path);
	/* What it makes of it is its next event. One that is busy gets another one. */
	bool given = fd >= 0 && handover_backend(one->of->vmm, &one->device, fd) == 0;

	(void)loop_timer_arm(timer, given ? 0 : LOOK_MS * 1000000ull);
	if (given)
		one->given_ms = now_ms();
}

static void wanted(struct vm_backend *one)
{
	int r = 0;

	if (now_ms() - one->given_ms > LASTED_MS)
		one->delay_ms = DELAY_MIN_MS;
	else if (one->delay_ms < DELAY_MAX_MS / 2)
		one->delay_ms *= 2;
	else
		one->delay_ms = DELAY_MAX_MS;
	if (one->timer < 0)
		r = loop_timer_new(one->of->loop, look, one, &one->timer);
	if (r == 0)
		r = loop_timer_arm(one->timer, one->delay_ms * 1000000ull);
	if (r < 0)
		log_warn("%s: %s is not looked for again: %s", one->option, one->path, strerror(-r));
}

void vm_backends_event(struct vm_backends *b, struct loop *loop, int vmm, const struct vmm_event *e)
{
	if (!b)
		return;
	b->loop = loop;
	b->vmm = vmm;
	for (unsigned i = 0; i < b->count && !e->reason; i++)
		if (b->backend[i].device.what == e->backend.what &&
		    b->backend[i].device.index == e->backend.index)
			wanted(&b->backend[i]);
}

void vm_backends_stop(struct vm_backends *b)
{
	for (unsigned i = 0; b && i < b->count; i++) {
		if (b->backend[i].timer >= 0)
			loop_del(b->loop, b->backend[i].timer);
		close_fdp(&b->backend[i].timer);
	}
}
