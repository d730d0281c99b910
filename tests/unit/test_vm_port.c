// SPDX-License-Identifier: GPL-2.0-or-later
/* --port: its words, and the sockets and terminals that come of them. */
#include "tools/vm_port.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "tests/fake/ioctl.h"
#include "tools/vm_open.h"

static char dir[] = "/tmp/thruway-port-XXXXXX";
static struct vmm_config config;
static struct vm_ports ports;
static struct err err;

static int setup(void **state)
{
	fake_ioctl_reset();
	log_set_level(LOG_QUIET);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir); /* nothing was left in it */
}

static const char *path(const char *name)
{
	static char text[108];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static void test_words(void **state)
{
	struct vm_opt_port p;

	assert_int_equal(vm_port_parse("name=org.qemu.guest_agent.0,socket=/run/a,b", &p, NULL), 0);
	assert_string_equal(p.name, "org.qemu.guest_agent.0");
	assert_string_equal(p.path, "/run/a,b");
	assert_int_equal(vm_port_parse("name=x,pty", &p, NULL), 0);
	assert_string_equal(p.path, "");
}

static void test_words_that_are_none(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "'' is no port" },
		{ "x,pty", "'x,pty' is no port" },
		{ "name=x", "'name=x' is no port" },
		{ "name=,pty", "'' is no name" },
		{ "name=.x,pty", "'.x' is no name" },
		{ "name=a/b,pty", "'a/b' is no name" },
		{ "name=a b,pty", "'a b' is no name" },
		{ "name=0123456789012345678901234567890123456789012345678901234567890123,pty", "is no name" },
		{ "name=x,", "'' after the name" },
		{ "name=x,pty=y", "'pty=y' after the name" },
		{ "name=x,socket=", "'' is no path" },
		{ "name=x,socket=/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678", "is no path" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_opt_port p = { .name = "untouched" };
		struct err e = ERR_INIT;

		assert_int_equal(vm_port_parse(rows[i].text, &p, &e), -EINVAL);
		if (!strstr(e.text, rows[i].says) || !e.hint[0])
			fail_msg("%s: %s\n%s", rows[i].text, e.text, e.hint);
		assert_string_equal(p.name, "untouched");
	}
}

static struct vm_opt_port opt; /* its path is borrowed as long as the port is there */

static int open_one(const char *where)
{
	opt = (struct vm_opt_port){ .name = "x" };
	strcpy(opt.path, where);
	err = (struct err)ERR_INIT;
	ports = (struct vm_ports)VM_PORTS_INIT;
	vm_config_init(&config);
	return vm_ports_open(AT_FDCWD, &opt, 1, &config, &ports, &err);
}

static void close_one(void)
{
	vm_config_close(&config);
	vm_ports_remove(&ports);
}

static bool can_connect(const char *where)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, where);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static void test_a_socket_is_its_owners_and_goes_with_the_vm(void **state)
{
	struct stat st;

	assert_int_equal(open_one(path("a")), 0);
	assert_int_equal(config.port_count, 1);
	assert_string_equal(config.ports[0].name, "x");
	assert_false(config.ports[0].terminal);
	assert_int_equal(stat(path("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(can_connect(path("a")));
	close_one();
	assert_int_equal(stat(path("a"), &st), -1);
}

static void test_only_a_dead_ones_socket_is_replaced(void **state)
{
	struct vm_ports mine;
	int fd;

	/* Of a VM that was killed. */
	assert_int_equal(open_one(path("a")), 0);
	vm_config_close(&config);
	assert_false(can_connect(path("a")));
	mine = ports;
	assert_int_equal(open_one(path("a")), 0);
	/* That one's end takes nothing away from this one. */
	vm_ports_remove(&mine);
	assert_true(can_connect(path("a")));
	/* Of one that lives. */
	fd = config.ports[0].fd;
	config.ports[0].fd = -1;
	mine = ports;
	assert_int_equal(open_one(path("a")), -EADDRINUSE);
	assert_non_null(strstr(err.text, "another program listens at /tmp/"));
	assert_int_equal(ports.count, 0);
	assert_int_equal(config.port_count, 0);
	vm_ports_remove(&mine);
	close(fd);
	/* And what is no socket at all. */
	close(open(path("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(open_one(path("file")), -EEXIST);
	assert_non_null(strstr(err.text, "is there already, and no socket"));
	close_one();
	assert_int_equal(unlink(path("file")), 0);
	assert_int_equal(open_one("/nonexistent/x"), -ENOENT);
	assert_string_equal(err.text, "--port: cannot make /nonexistent/x: No such file or directory");
	assert_string_equal(err.hint, "make its folder first");
	close_one();
}

/* As the kernel answers. */
static int pty_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static void test_a_terminal_changes_nothing_that_goes_through_it(void **state)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), slave;
	char got[8] = "";
	struct termios t;

	opt = (struct vm_opt_port){ .name = "x" };
	ports = (struct vm_ports)VM_PORTS_INIT;
	vm_config_init(&config);
	fake_ioctl_handle(-1, pty_ioctl, NULL);
	assert_int_equal(vm_ports_open(root, &opt, 1, &config, &ports, &err), 0);
	assert_true(config.ports[0].terminal);
	slave = ports.made[0].keep_fd;
	assert_int_equal(tcgetattr(slave, &t), 0);
	assert_false(t.c_lflag & (ECHO | ICANON | ISIG) || t.c_oflag & OPOST);
	assert_int_equal(write(config.ports[0].fd, "\x03\n\x04", 3), 3);
	assert_int_equal(read(slave, got, sizeof(got)), 3);
	assert_memory_equal(got, "\x03\n\x04", 3);
	assert_int_equal(read(config.ports[0].fd, got, sizeof(got)), -1); /* and it is not waited for */
	close_one();
	close(root);
	fake_ioctl_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_that_are_none),
		cmocka_unit_test(test_a_socket_is_its_owners_and_goes_with_the_vm),
		cmocka_unit_test(test_only_a_dead_ones_socket_is_replaced),
		cmocka_unit_test(test_a_terminal_changes_nothing_that_goes_through_it),
	};

	return cmocka_run_group_tests_name("vm_port", tests, setup, teardown);
}
