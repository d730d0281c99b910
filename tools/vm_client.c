// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "tools/vm_socket.h"

#define ANSWER_MAX (4u << 20)
#define CHUNK	   65536u

#define CONNECT_TRIES	 100
#define CONNECT_PAUSE_MS 50

unsigned vm_client_answer_ms = 10000;

static int not_there(const char *name, int r, struct err *err)
{
	if (r == -ENOENT || r == -ECONNREFUSED) {
		err_plain(err, -ESRCH, "no VM called %s runs", name);
		return err_hint(err, "thruway vm ps shows those that do");
	}
	err_set(err, r, "cannot reach the VM %s", name);
	if (r == -EACCES)
		return err_hint(err, "its socket belongs to who started it: become root, or that user");
	return err_hint(err, "/" VM_SOCKETS "/%s.sock is its control socket", name);
}

static int explain(const struct vm_client *c, int r, struct err *err)
{
	switch (r) {
	case -EPIPE: return err_plain(err, r, "the VM %s ended meanwhile", c->name);
	case -ETIMEDOUT:
		err_plain(err, r, "the VM %s does not answer", c->name);
		return err_hint(err, "it is stopped, or hangs: thruway vm kill %s ends it", c->name);
	case -EPROTO: return err_plain(err, r, "the VM %s answers what is no answer", c->name);
	default: return err_set(err, r, "cannot talk to the VM %s", c->name);
	}
}

int vm_client_open(int root, const char *name, struct vm_client *ret, struct err *err)
{
	struct vm_client c = { .name = name, .fd = -1 };
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!*name || strlen(name) >= VM_NAME_MAX || strchr(name, '/'))
		return err_usage(err, "'%s' is no VM's name", name);
	for (unsigned i = 0; i < CONNECT_TRIES; i++) {
		c.fd = vm_socket_connect(root, name);
		if (c.fd != -EAGAIN)
			break;
		(void)poll(NULL, 0, CONNECT_PAUSE_MS); /* others wait before us */
	}
	if (c.fd == -EAGAIN)
		return explain(&c, -ETIMEDOUT, err);
	if (c.fd < 0)
		return not_there(name, c.fd, err);
	/* Of a listening socket these are whoever called listen(). */
	if (getsockopt(c.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		c.supervisor = peer.pid;
	*ret = c;
	return 0;
}

void vm_client_close(struct vm_client *c)
{
	close_fdp(&c->fd);
	free(c->buf);
	*c = (struct vm_client)VM_CLIENT_INIT;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* More bytes by then (ms; -1: whenever). 0, -ETIMEDOUT, -EPIPE or another -errno. */
static int receive(struct vm_client *c, long until)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	long left = until < 0 ? -1 : until - now_ms();
	char *bigger;
	ssize_t n;

	if (until >= 0 && left <= 0)
		return -ETIMEDOUT;
	if (poll(&p, 1, (int)left) <= 0)
		return 0; /* asked again, until the time is over */
	if (c->len + CHUNK > ANSWER_MAX)
		return -EPROTO;
	bigger = realloc(c->buf, c->len + CHUNK);
	if (!bigger)
		return -ENOMEM;
	c->buf = bigger;
	n = recv(c->fd, c->buf + c->len, CHUNK, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->len += (size_t)n;
	return 0;
}

/* In place: what controls a terminal, C1 in UTF-8 too. Whether there was any. */
static bool disarm_text(char *text)
{
	bool any = false;

	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?', any = true;
		else if ((p[0] < 0x20 && p[0] != '\n') || p[0] == 0x7f)
			p[0] = '?', any = true;
	}
	return any;
}

/*
 * A VMM has no privileges, and may be its guest's by now; who reads what it says is root, at a
 * terminal. No word of ours has such a character.
 */
static void disarm(json_t *json)
{
	_cleanup_free_ char *copy = json_is_string(json) ? strdup(json_string_value(json)) : NULL;
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(json) && (!copy || disarm_text(copy)))
		(void)json_string_set(json, copy ? copy : "");
	json_array_foreach(json, i, value)
		disarm(value);
	json_object_foreach(json, key, value)
		disarm(value);
}

static int next_line(struct vm_client *c, long until, json_t **ret)
{
	char *end;
	int r;

	while (!(end = c->len ? memchr(c->buf, '\n', c->len) : NULL)) {
		r = receive(c, until);
		if (r < 0)
			return r;
	}
	*ret = json_loadb(c->buf, (size_t)(end - c->buf), 0, NULL);
	c->len -= (size_t)(end + 1 - c->buf);
	memmove(c->buf, end + 1, c->len);
	disarm(*ret);
	return *ret ? 0 : -EPROTO;
}

/* The VMM's own words; it is another program, so nothing of them is taken for granted. */
static int refused(const json_t *error, struct err *err)
{
	const char *text = json_string_value(json_object_get(error, "message"));
	const json_t *data = json_object_get(error, "data");
	const char *hint = json_string_value(json_object_get(data, "hint"));
	json_int_t code = json_integer_value(json_object_get(data, "errno"));

	err_plain(err, code > 0 && code < 4096 ? -(int)code : -EIO, "%s", text ? text : "it refuses");
	return hint ? err_hint(err, "%s", hint) : err->code;
}

static int send_all(int sock, const char *text, size_t len, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * VM_CLIENT_FDS)];
	} control = { 0 };
	struct iovec iov = { (void *)text, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > VM_CLIENT_FDS)
		return -EINVAL;
	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS,
							 .cmsg_len = CMSG_LEN(sizeof(int) * nfds) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * nfds);
	}
	/* A request is far shorter than what a socket takes at once. */
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)len)
		return errno == EPIPE || errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* params is consumed. */
static int ask(struct vm_client *c, const char *method, json_t *params, const int *fds,
	       unsigned nfds)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1, "method",
				    method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *line = NULL;
	int n = text ? asprintf(&line, "%s\n", text) : -1;
	int r = n < 0 ? -ENOMEM : send_all(c->fd, line, (size_t)n, fds, nfds);

	if (n >= 0)
		free(line);
	free(text);
	json_decref(request);
	return r;
}

/* Notifications that came before it are passed over. */
static int next_answer(struct vm_client *c, unsigned ms, json_t **ret)
{
	long until = now_ms() + ms;
	int r;

	for (;;) {
		r = next_line(c, until, ret);
		if (r < 0 || json_object_get(*ret, "id"))
			return r;
		json_decref(*ret);
	}
}

int vm_client_ask(struct vm_client *c, const char *method, struct err *err)
{
	int r = ask(c, method, NULL, NULL, 0);

	return r < 0 ? explain(c, r, err) : 0;
}

int vm_client_answer(struct vm_client *c, unsigned ms, json_t **ret_answer, struct err *err)
{
	int r = next_answer(c, ms, ret_answer);

	return r < 0 ? explain(c, r, err) : 0;
}

int vm_client_call(struct vm_client *c, const char *method, json_t **ret_result, struct err *err)
{
	return vm_client_call_with(c, method, NULL, NULL, 0, ret_result, err);
}

int vm_client_call_with(struct vm_client *c, const char *method, json_t *params, const int *fds,
			unsigned nfds, json_t **ret_result, struct err *err)
{
	json_t *answer = NULL, *result;
	int r = ask(c, method, params, fds, nfds);

	if (r == 0)
		r = next_answer(c, c->answer_ms ? c->answer_ms : vm_client_answer_ms, &answer);
	if (r < 0)
		return explain(c, r, err);
	result = json_object_get(answer, "result");
	if (!result)
		r = refused(json_object_get(answer, "error"), err);
	else if (ret_result)
		*ret_result = json_incref(result);
	json_decref(answer);
	return r;
}

int vm_client_next(struct vm_client *c, json_t **ret, struct err *err)
{
	int r = next_line(c, -1, ret);

	return r < 0 ? explain(c, r, err) : 0;
}

int vm_client_wait_end(const struct vm_client *c, unsigned ms)
{
	_cleanup_close_ int pidfd = c->supervisor > 0 ?
					    (int)syscall(SYS_pidfd_open, c->supervisor, 0) : -1;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return 0;
	return poll(&p, 1, (int)ms) == 1 ? 0 : -ETIMEDOUT;
}

struct each {
	int (*fn)(const char *name, void *opaque);
	void *opaque;
};

static int each_file(const char *file, void *opaque)
{
	const struct each *e = opaque;
	size_t len = strlen(file);
	char name[VM_NAME_MAX];

	if (len < 6 || len - 5 >= sizeof(name) || strcmp(file + len - 5, ".sock") != 0)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(len - 5), file);
	return e->fn(name, e->opaque);
}

int vm_each(int root, int (*fn)(const char *name, void *opaque), void *opaque)
{
	struct each e = { fn, opaque };
	int r = hostfs_list(root, each_file, &e, VM_SOCKETS);

	return r == -ENOENT ? 0 : r;
}
