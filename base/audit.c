// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/process.h"

/*
 * Not syslog(3): that knows one /dev/log, waits for a reader that stands still, and keeps
 * a descriptor that the programs we become would inherit.
 */
static int connect_log(int root)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (hostfs_path(root, addr.sun_path, sizeof(addr.sun_path), "dev/log") < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The time as RFC 3164 has it, in English: no locale was set. */
static size_t put_header(char *line, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;
	char when[32];

	if (!localtime_r(&now, &tm) || !strftime(when, sizeof(when), "%b %e %T", &tm))
		when[0] = '\0';
	return (size_t)snprintf(line, size, "<%d>%s thruway[%d]: ", LOG_DAEMON | LOG_NOTICE, when,
				(int)getpid());
}

void audit_change(int root, const char *command, const char *fmt, ...)
{
	uint32_t uid = process_login_uid(root);
	_cleanup_close_ int fd = connect_log(root);
	char what[256], who[16] = "none", line[512];
	size_t begin = put_header(line, sizeof(line));
	va_list ap;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (uid != UINT32_MAX)
		snprintf(who, sizeof(who), "%" PRIu32, uid);
	snprintf(line + begin, sizeof(line) - begin, "%.160s: %s (login uid %s)", command, what,
		 who);
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	(void)send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}
