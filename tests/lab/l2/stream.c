// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stream WHERE [BYTES]: stdin goes there, and what comes from there to stdout, both at once, until
 * BYTES came and all is sent; without a number until both directions have ended. In a guest, where
 * there is no socat, and on the host. WHERE is
 *
 *	unix:PATH	a socket
 *	vsock:CID:PORT	another one, of a guest or (2) of the host
 *	listen:PORT	of vsock; the first who connects
 *	PATH		a device
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static int fail(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	return 1;
}

static int open_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -1 : fd;
}

static int open_vsock(unsigned cid, unsigned port, int listens)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (!listens)
		return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -1 : fd;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return -1;
	return accept(fd, NULL, NULL);
}

static int open_where(const char *where)
{
	unsigned cid, port;

	if (strncmp(where, "unix:", 5) == 0)
		return open_unix(where + 5);
	if (sscanf(where, "vsock:%u:%u", &cid, &port) == 2)
		return open_vsock(cid, port, 0);
	if (sscanf(where, "listen:%u", &port) == 1)
		return open_vsock(VMADDR_CID_ANY, port, 1);
	return open(where, O_RDWR);
}

/* What was read and not written yet. */
struct way {
	int from, to;
	char buf[32768];
	size_t at, len;
	long long left; /* to come; -1: who knows */
	int ended;
};

static int reads(const struct way *w)
{
	return !w->ended && w->at == w->len && w->left;
}

/* -1: it broke. */
static int read_some(struct way *w)
{
	size_t want = w->left >= 0 && w->left < (long long)sizeof(w->buf) ? (size_t)w->left :
									    sizeof(w->buf);
	ssize_t n = read(w->from, w->buf, want);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return -1;
	w->ended = n == 0;
	w->at = 0;
	w->len = (size_t)n;
	w->left -= w->left > 0 ? n : 0;
	return 0;
}

static int write_some(struct way *w)
{
	ssize_t n = write(w->to, w->buf + w->at, w->len - w->at);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	w->at += (size_t)n;
	return 0;
}

static int done(const struct way *w)
{
	return w->at == w->len && (w->ended || !w->left);
}

int main(int argc, char **argv)
{
	static struct way out, in;
	int fd = argc > 1 ? open_where(argv[1]) : -1, told = 0;

	signal(SIGPIPE, SIG_IGN);
	if (fd < 0)
		return fail(argc > 1 ? argv[1] : "WHERE [BYTES]");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	out = (struct way){ .from = 0, .to = fd, .left = -1 };
	in = (struct way){ .from = fd, .to = 1, .left = argc > 2 ? atoll(argv[2]) : -1 };
	while (!done(&out) || !done(&in)) {
		struct pollfd p[] = {
			{ reads(&out) ? 0 : -1, POLLIN, 0 },
			{ fd, (short)((reads(&in) ? POLLIN : 0) | (out.at < out.len ? POLLOUT : 0)), 0 },
		};

		if (in.at < in.len && write_some(&in) < 0)
			return fail("stdout");
		if (done(&out) && !told++ && argc <= 2)
			shutdown(fd, SHUT_WR);
		if (p[1].events == 0)
			p[1].fd = -1;
		if (in.at == in.len && (p[0].fd >= 0 || p[1].fd >= 0) && poll(p, 2, -1) < 0)
			return fail("poll");
		if (p[0].fd >= 0 && p[0].revents && read_some(&out) < 0)
			return fail("stdin");
		if (reads(&in) && p[1].revents & (POLLIN | POLLHUP | POLLERR) && read_some(&in) < 0)
			return fail(argv[1]);
		if (out.at < out.len && p[1].revents & (POLLOUT | POLLHUP | POLLERR) && write_some(&out) < 0)
			return fail(argv[1]);
	}
	return 0;
}
