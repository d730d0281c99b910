// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/irqbalance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"

#define SOCKETS	    "run/irqbalance"
#define REQUEST_MAX 500 /* what it reads of one */
#define ANSWER_MAX  65536

bool irq_list_add(struct irq_list *list, unsigned irq)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->irqs[i] == irq)
			return true;
	}
	if (list->count == IRQ_LIST_MAX)
		return false;
	list->irqs[list->count++] = irq;
	return true;
}

static bool has(const struct irq_list *list, unsigned irq)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->irqs[i] == irq)
			return true;
	}
	return false;
}

bool irq_list_equal(const struct irq_list *a, const struct irq_list *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (!has(b, a->irqs[i]))
			return false;
	}
	return a->count == b->count;
}

/* --- the socket -------------------------------------------------------------------------------- */

struct search {
	int root;
	int fd; /* -ENOENT: none so far */
};

/* The socket of one that was killed stays, and refuses. */
static int try_connect(const char *name, void *opaque)
{
	const struct timeval second = { .tv_sec = 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct search *s = opaque;
	_cleanup_close_ int fd = -1;
	int r;

	if (strncmp(name, "irqbalance", 10) != 0)
		return 0;
	r = hostfs_path(s->root, address.sun_path, sizeof(address.sun_path), SOCKETS "/%s", name);
	if (r < 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != ECONNREFUSED)
			s->fd = -errno;
		return 0;
	}
	s->fd = TAKE_FD(fd);
	return 1;
}

static int connect_to(int root)
{
	struct search s = { root, -ENOENT };
	int r = hostfs_list(root, try_connect, &s, SOCKETS);

	if (r < 0)
		return r;
	return s.fd == -EAGAIN ? -ETIMEDOUT : s.fd;
}

/* One request for each connection; it believes root alone, by what comes with the bytes. */
static int request(int root, const char *text)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control.buf) };
	struct ucred own = { getpid(), geteuid(), getegid() };
	_cleanup_close_ int fd = connect_to(root);

	if (fd < 0)
		return fd;
	*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_CREDENTIALS,
						 .cmsg_len = CMSG_LEN(sizeof(own)) };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &own, sizeof(own));
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return TAKE_FD(fd);
}

/* "SLEEP 10 IRQ 24 LOAD 0 DIFF 0 CLASS 0 … BANNED 00000000" */
static int parse_setup(char *text, struct irq_list *ret)
{
	char *save, *word = strtok_r(text, " ", &save), *end;

	if (!word || strcmp(word, "SLEEP") != 0)
		return -EPROTO;
	*ret = (struct irq_list){ .count = 0 };
	while ((word = strtok_r(NULL, " ", &save))) {
		unsigned long irq;

		if (strcmp(word, "IRQ") != 0)
			continue;
		word = strtok_r(NULL, " ", &save);
		irq = word ? strtoul(word, &end, 10) : 0;
		if (!word || *end || end == word || irq > ~0u)
			return -EPROTO;
		if (!irq_list_add(ret, (unsigned)irq))
			return -E2BIG;
	}
	return 0;
}

static int read_list(int root, struct irq_list *ret)
{
	_cleanup_free_ char *text = malloc(ANSWER_MAX);
	_cleanup_close_ int fd = request(root, "setup");
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0 || !text)
		return fd < 0 ? fd : -ENOMEM;
	while (len < ANSWER_MAX - 1 && (n = recv(fd, text + len, ANSWER_MAX - 1 - len, 0)) > 0)
		len += (size_t)n;
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	text[len] = '\0';
	return parse_setup(text, ret);
}

static int write_list(int root, const struct irq_list *list)
{
	char text[REQUEST_MAX] = "settings ban irqs ";
	size_t len = strlen(text);
	char rest;
	int fd;

	for (unsigned i = 0; i < list->count && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u ", list->irqs[i]);
	if (!list->count)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "NONE");
	if (len >= sizeof(text))
		return -E2BIG;
	fd = request(root, text);
	if (fd < 0)
		return fd;
	/* It closes when it has read that: who asks it next must not come before. */
	(void)!recv(fd, &rest, 1, 0);
	close(fd);
	return 0;
}

/* Others like us read, change and write the list too. */
static int lock_list(int root)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, SOCKETS);

	if (dir < 0)
		return dir;
	for (unsigned i = 0; flock(dir, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == 10)
			return errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
		nanosleep(&pause, NULL);
	}
	return TAKE_FD(dir);
}

int irqbalance_leave(int root, const struct irq_list *was, const struct irq_list *now)
{
	_cleanup_close_ int lock = lock_list(root);
	struct irq_list have = { .count = 0 }, want = { .count = 0 };
	int r = lock < 0 ? lock : read_list(root, &have);

	for (unsigned i = 0; r == 0 && i < have.count; i++) {
		if (!has(was, have.irqs[i]))
			irq_list_add(&want, have.irqs[i]);
	}
	/* It ends its list at a 0, which no device has. */
	for (unsigned i = 0; r == 0 && i < now->count; i++) {
		if (now->irqs[i] && !irq_list_add(&want, now->irqs[i]))
			r = -E2BIG;
	}
	return r < 0 || irq_list_equal(&have, &want) ? r : write_list(root, &want);
}
