// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/winsize.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/loop.h"

struct winsize_watch {
	struct loop *loop;
	winsize_fn fn;
	void *opaque;
	int signal_fd;
};

static void tell(const struct winsize_watch *w)
{
	struct winsize size;

	if (sys_ioctl(STDIN_FILENO, TIOCGWINSZ, &size) >= 0)
		w->fn(w->opaque, size.ws_col, size.ws_row);
}

static void on_signal(void *opaque, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info))
		;
	tell(opaque);
}

int winsize_watch(struct loop *loop, winsize_fn fn, void *opaque, struct winsize_watch **ret)
{
	struct winsize_watch *w = calloc(1, sizeof(*w));
	sigset_t set;
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct winsize_watch){ loop, fn, opaque, -1 };
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = w->signal_fd < 0 ? -errno : loop_add(loop, w->signal_fd, on_signal, w);
	if (r < 0) {
		close_fdp(&w->signal_fd);
		free(w);
		return r;
	}
	tell(w);
	*ret = w;
	return 0;
}

struct winsize_watch *winsize_free(struct winsize_watch *w)
{
	if (!w)
		return NULL;
	loop_del(w->loop, w->signal_fd);
	close_fdp(&w->signal_fd);
	free(w);
	return NULL;
}
