// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file in /etc as a step of the journal. A step's values are short, so they are hashes,
 * and the texts lie in run/thruway/rules under these names: the one to be written
 * is put there before the change begins, the former one before it is replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/sha256.h"
#include "host/udev_rules.h"

#define KEPT_DIR      "run/thruway/rules"
#define HASH_BYTES    16 /* shown to people; of files that root alone writes */
#define HASH_STRLEN   (2 * HASH_BYTES + 1)
#define RELOAD_MS     5000

static void hash_of(const char *text, char ret[HASH_STRLEN])
{
	uint8_t sum[SHA256_SIZE];

	sha256(text, strlen(text), sum);
	for (unsigned i = 0; i < HASH_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
}

/* A file's text, malloced. */
static int read_text(int root, const char *dir, const char *name, char **ret)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY | O_NOFOLLOW, "%s/%s", dir, name);
	_cleanup_free_ char *text = NULL;
	ssize_t n;

	if (fd < 0)
		return fd;
	text = malloc(UDEV_RULES_SIZE_MAX + 1);
	if (!text)
		return -ENOMEM;
	n = fd_read_all(fd, text, UDEV_RULES_SIZE_MAX + 1);
	if (n < 0)
		return (int)n;
	*ret = TAKE_PTR(text);
	return 0;
}

int udev_rules_read(int root, char **ret)
{
	return read_text(root, UDEV_RULES_DIR, UDEV_RULES_NAME, ret);
}

/*
 * Whole or not at all, also when the power fails. tmp: what it is called until it is whole;
 * of two processes at once only one may use it.
 */
static int replace(int root, const char *dir_path, const char *name, const char *tmp, mode_t mode,
		   const char *text)
{
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, "%s", dir_path);
	_cleanup_close_ int fd = -1;
	int r;

	if (dir < 0)
		return dir;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0 ||
		       fsync(dir) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dir, tmp, 0);
	return r;
}

/* Without the lock: another process may be keeping the same text. */
static int keep(int root, const char *text)
{
	char hash[HASH_STRLEN], tmp[HASH_STRLEN + 24];

	hash_of(text, hash);
	snprintf(tmp, sizeof(tmp), ".%s.%d", hash, (int)getpid());
	(void)mkdirat(root, "run/thruway", 0755);
	(void)mkdirat(root, KEPT_DIR, 0700);
	return replace(root, KEPT_DIR, hash, tmp, 0600, text);
}

/* --- udev ------------------------------------------------------------------------------------- */

static _Noreturn void be_udevadm(int root)
{
	static char *const argv[] = { (char *)"udevadm", (char *)"control", (char *)"--reload",
				      NULL };

	execveat(root, "usr/bin/udevadm", argv, environ, 0);
	execveat(root, "bin/udevadm", argv, environ, 0);
	_exit(127);
}

/* It would see the new file by itself, but looks for one every three seconds only. */
static void reload(int root)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int status;
	pid_t pid;

	if (!hostfs_exists(root, "run/udev/control"))
		return;
	pid = fork();
	if (pid == 0)
		be_udevadm(root);
	for (int ms = 0; pid > 0 && waitpid(pid, &status, WNOHANG) == 0; ms += 10) {
		if (ms == RELOAD_MS)
			kill(pid, SIGKILL);
		nanosleep(&pause, NULL);
	}
}

/* --- the step --------------------------------------------------------------------------------- */

static int rules_read(int root, const struct step *step, char *buf, size_t size)
{
	_cleanup_free_ char *text = NULL;
	char hash[HASH_STRLEN];
	int r = read_text(root, UDEV_RULES_DIR, step->key, &text);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0)
		hash_of(text, hash);
	snprintf(buf, size, "%s", r == 0 ? hash : "");
	return 0;
}

static int write_rules(int root, const char *name, const char *hash)
{
	_cleanup_free_ char *former = NULL, *text = NULL;
	int r = read_text(root, UDEV_RULES_DIR, name, &former);

	if (r == 0)
		r = keep(root, former);
	if (r < 0 && r != -ENOENT)
		return r;
	if (!*hash) {
		_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, UDEV_RULES_DIR);

		if (dir < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
			return dir < 0 ? dir : -errno;
		return fsync(dir) < 0 ? -errno : 0;
	}
	r = read_text(root, KEPT_DIR, hash, &text);
	if (r < 0)
		return r;
	(void)mkdirat(root, UDEV_RULES_DIR, 0755);
	/* The lock is held here, and a name that is always the same leaves no more than one behind. */
	return replace(root, UDEV_RULES_DIR, name, "." UDEV_RULES_NAME ".new", 0644, text);
}

static int rules_write(int root, const struct step *step, const char *value, struct err *err)
{
	int r = write_rules(root, step->key, value);

	if (r < 0)
		return err_set(err, r, "cannot %s /" UDEV_RULES_DIR "/%s", *value ? "write" : "remove",
			       step->key);
	reload(root);
	return 0;
}

static void rules_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "%s /" UDEV_RULES_DIR "/%s", step->after[0] ? "write" : "remove",
		 step->key);
}

const struct step_ops udev_rules_step_ops = {
	.op = "rules",
	.read = rules_read,
	.write = rules_write,
	.describe = rules_describe,
};

void udev_rules_keep(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->steps[i].op, udev_rules_step_ops.op) != 0)
			plan->steps[kept++] = plan->steps[i];
	}
	plan->count = kept;
}

bool udev_rules_change(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->steps[i].op, udev_rules_step_ops.op) == 0)
			return true;
	}
	return false;
}

const char *udev_rules_initramfs(int root)
{
	if (hostfs_exists(root, "usr/sbin/update-initramfs"))
		return "update-initramfs -u";
	return hostfs_exists(root, "usr/bin/dracut") ? "dracut -f" : NULL;
}

bool udev_rules_wanted(int root)
{
	return hostfs_exists(root, "etc/udev");
}

int udev_rules_plan(int root, const char *text, struct plan *plan, struct err *err)
{
	struct step step = { .op = "rules", .dev = "udev", .key = UDEV_RULES_NAME };
	int r;

	r = rules_read(root, &step, step.before, sizeof(step.before));
	if (r < 0)
		return err_set(err, r, "cannot read /" UDEV_RULES_DIR "/" UDEV_RULES_NAME);
	if (*text)
		hash_of(text, step.after);
	if (strcmp(step.before, step.after) == 0)
		return 0;
	if (faccessat(root, "etc/udev", W_OK, 0) < 0 && errno == EROFS) {
		log_warn("/etc is read-only: udev is not told of what /etc/thruway says");
		return 0;
	}
	return plan_add(plan, &step) < 0 ? err_set(err, -ENOMEM, "cannot plan") : 0;
}

int udev_rules_stage(int root, const char *text, struct err *err)
{
	int r = *text ? keep(root, text) : 0;

	if (r == 0)
		return 0;
	err_set(err, r, "cannot write /" KEPT_DIR);
	return r == -EACCES || r == -EPERM ? err_hint(err, "run it as root") : r;
}
