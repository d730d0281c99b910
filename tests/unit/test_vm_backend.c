// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes that serve devices: what the command line says of them, and that they are found again. */
#include "tools/vm_backend.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "tools/vm_disk.h"
#include "tools/vm_fs.h"
#include "tools/vm_mem_opts.h"
#include "tools/vm_nic.h"
#include "tools/vm_open.h"

static char dir[] = "/tmp/test_vm_backend.XXXXXX";
static char path[64];

static int listen_there(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* --- words --- */

static void test_words(void **state)
{
	struct vm_opt_nic nic;
	struct vm_opt_disk disk;
	struct vm_opt_fs fs;

	assert_int_equal(vm_nic_parse("vhost-user:/run/p,mac=02:00:00:00:00:01,queues=2,mtu=1400", &nic, NULL), 0);
	assert_string_equal(nic.socket, "/run/p");
	assert_true(nic.has_mac && nic.queues == 2 && nic.mtu == 1400 && !nic.bridge[0] && !nic.macvtap[0]);
	assert_int_equal(vm_disk_parse("vhost-user:/run/d,queues=4", &disk, NULL), 0);
	assert_true(disk.vhost_user && disk.queues == 4);
	assert_string_equal(disk.path, "/run/d");
	assert_int_equal(vm_disk_parse("./vhost-user:d", &disk, NULL), 0); /* a file of that name */
	assert_false(disk.vhost_user);
	assert_int_equal(vm_fs_parse("vhost-user:/run/f,tag=home", &fs, NULL), 0);
	assert_string_equal(fs.socket, "/run/f");
	assert_string_equal(fs.tag, "home");
}

static int nic(const char *text, struct err *err)
{
	struct vm_opt_nic o;

	return vm_nic_parse(text, &o, err);
}

static int disk(const char *text, struct err *err)
{
	struct vm_opt_disk o;

	return vm_disk_parse(text, &o, err);
}

static int fs(const char *text, struct err *err)
{
	struct vm_opt_fs o;

	return vm_fs_parse(text, &o, err);
}

static void test_words_that_are_none(void **state)
{
	static const struct {
		int (*parse)(const char *text, struct err *err);
		const char *text, *says;
	} rows[] = {
		{ nic, "vhost-user:", "names no socket" },
		{ nic, "vhost-user:/p,vhost=off", "vhost= is for a tap" },
		{ nic, "vhost-user:/p,vhost=on", "vhost= is for a tap" },
		{ nic, "vhost-user:/p,queues=9", "'queues=9'" },
		{ disk, "vhost-user:", "names no socket" },
		{ disk, "vhost-user:,queues=1", "names no socket" },
		{ disk, "vhost-user:/d,readonly", "'readonly' is not possible with vhost-user" },
		{ disk, "vhost-user:/d,queues=9", "'queues=9'" },
		{ disk, "vhost-user:/d,queuesx", "'queuesx'" },
		{ fs, "/srv,tag=a", "'/srv' is not served" },
		{ fs, "vhost-user:/f", "no tag" },
		{ fs, "vhost-user:/f,tag=", "'' is no tag" },
		{ fs, "vhost-user:/f,tag=a b", "'a b' is no tag" },
		{ fs, "vhost-user:/f,tag=1234567890123456789012345678901234567", "is no tag" },
		{ fs, "vhost-user:/f,tag=a,cache=none", "'cache=none'" },
		{ fs, "vhost-user:,tag=a", "names no socket" },
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(rows[i].parse(rows[i].text, &err), -EINVAL);
		assert_true(err.usage);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: %s", rows[i].text, err.text);
	}
	snprintf(text, sizeof(text), "vhost-user:/%0120d", 0);
	assert_int_equal(nic(text, NULL), -EINVAL);
	assert_int_equal(disk(text, NULL), -EINVAL);
}

/* --- memory --- */

static int resolve(enum mem_kind kind, const char *shared, enum mem_kind *ret, struct err *err)
{
	struct vm_mem_opts memory = VM_MEM_OPTS_INIT, node[VMM_MAX_NODES];
	struct vm_mem_request q = { .nodes = 1, .cpus = 1, .shared = shared, .memory = &memory,
				    .node = node };
	struct mem_node mem[VMM_MAX_NODES];
	uint8_t cpu_node[VMM_MAX_CPUS];
	int r;

	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		node[i] = (struct vm_mem_opts)VM_MEM_OPTS_INIT;
	memory.size = 256ull << 20;
	memory.kind = kind;
	r = vm_mem_opts_resolve(&q, mem, cpu_node, err);
	*ret = (enum mem_kind)mem[0].kind;
	return r;
}

static void test_ram_is_shared(void **state)
{
	struct err err = ERR_INIT;
	enum mem_kind kind;

	assert_int_equal(resolve(VM_KIND_UNSAID, NULL, &kind, NULL), 0);
	assert_int_equal(kind, MEM_ANON);
	assert_int_equal(resolve(VM_KIND_UNSAID, "--fs", &kind, NULL), 0);
	assert_int_equal(kind, MEM_MEMFD);
	assert_int_equal(resolve(MEM_HUGETLB_2M, "--fs", &kind, NULL), 0);
	assert_int_equal(kind, MEM_HUGETLB_2M);
	assert_int_equal(resolve(MEM_ANON, "--fs", &kind, &err), -EINVAL);
	assert_non_null(strstr(err.text, "backend=anon: this memory is private, and with --fs vhost-user"));
}

/* --- connections --- */

static void test_nobody_listens(void **state)
{
	struct err err = ERR_INIT;
	int fd = -1, there;

	unlink(path);
	assert_int_equal(vm_backend_connect("--disk", path, &fd, &err), -ENOENT);
	assert_non_null(strstr(err.text, "--disk: cannot connect to "));
	assert_non_null(strstr(err.hint, "before the VM"));
	assert_int_equal(fd, -1);
	there = listen_there();
	close(there);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_backend_connect("--disk", path, &fd, &err), -ECONNREFUSED);
	there = listen_there();
	assert_int_equal(vm_backend_connect("--disk", path, &fd, &err), 0);
	assert_true(fd >= 0);
	close(fd);
	close(there);
}

static void test_a_configuration_has_its_sockets(void **state)
{
	struct vm_opt_nic o = { .queues = 2, .mtu = 1400 };
	struct vm_opt_disk d = { .vhost_user = true, .queues = 3 };
	struct vm_opt_fs f = { .tag = "t" };
	struct vmm_config config;
	int there = listen_there();

	strcpy(o.socket, path);
	strcpy(d.path, path);
	strcpy(f.socket, path);
	vm_config_init(&config);
	assert_int_equal(vm_nic_open(-1, &o, "vm", 0, &config.nics[0], NULL), 0);
	assert_true(config.nics[0].vhost_user && config.nics[0].backend_fd >= 0);
	assert_int_equal(config.nics[0].pairs, 2);
	assert_int_equal(config.nics[0].mtu, 1400);
	assert_string_equal(config.nics[0].host, "socket");
	assert_int_equal(vm_disk_open(&d, &config.disks[0], NULL), 0);
	assert_true(config.disks[0].vhost_user && config.disks[0].queues == 3);
	assert_int_equal(vm_fs_open(&f, &config.fs[0], NULL), 0);
	assert_string_equal(config.fs[0].tag, "t");
	vm_config_close(&config);
	assert_int_equal(config.nics[0].backend_fd, -1);
	assert_int_equal(config.disks[0].fd, -1);
	assert_int_equal(config.fs[0].fd, -1);
	close(there);
}

/* --- found again --- */

static struct loop *loop;
static int vmm[2];
static struct vmm_order order;

static void on_order(void *opaque, int fd)
{
	assert_int_equal(handover_next_command(fd, &order), 0);
	loop_quit(loop, 1);
}

static void on_time(void *opaque, int fd)
{
	loop_quit(loop, 0);
}

/* True: the VMM was given one in that time. */
static bool given_within(unsigned ms)
{
	int timer, r;

	order = (struct vmm_order){ .fd = -1 };
	assert_int_equal(loop_timer_new(loop, on_time, NULL, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, ms * 1000000ull), 0);
	r = loop_run(loop);
	loop_del(loop, timer);
	close(timer);
	return r == 1;
}

static void gone(struct vm_backends *b, unsigned what, unsigned index)
{
	vm_backends_event(b, loop, vmm[0],
			  &(struct vmm_event){ .type = VMM_EVENT_BACKEND, .backend = { what, index } });
}

static void test_one_that_is_gone_is_found_again(void **state)
{
	struct vm_backends b = { 0 };
	struct timespec began, ended;
	int there;

	unlink(path);
	loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, vmm), 0);
	assert_int_equal(loop_add(loop, vmm[1], on_order, NULL), 0);
	vm_backends_add(&b, VM_BACKEND_NIC, 1, "--nic", "/nonexistent");
	vm_backends_add(&b, VM_BACKEND_DISK, 1, "--disk", path);
	gone(&b, VM_BACKEND_FS, 1); /* none of ours */
	gone(&b, VM_BACKEND_DISK, 1);
	assert_false(given_within(400));
	there = listen_there();
	assert_true(given_within(2000));
	assert_int_equal(order.command, VMM_COMMAND_BACKEND);
	assert_int_equal(order.backend.what, VM_BACKEND_DISK);
	assert_int_equal(order.backend.index, 1);
	assert_true(order.fd >= 0);
	close(order.fd);
	/* It was of no use: each time it takes longer, so that nobody keeps the VMM busy. */
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned i = 0; i < 3; i++) {
		gone(&b, VM_BACKEND_DISK, 1);
		assert_true(given_within(5000));
		close(order.fd);
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_in_range((ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000,
			1400, 20000);
	/* That one is there is no reason to look for another. */
	vm_backends_event(&b, loop, vmm[0],
			  &(struct vmm_event){ .type = VMM_EVENT_BACKEND, .reason = 1,
					       .backend = { VM_BACKEND_DISK, 1 } });
	assert_false(given_within(300));
	vm_backends_stop(&b);
	vm_backends_stop(NULL);
	loop_del(loop, vmm[1]);
	loop = loop_free(loop);
	close(vmm[0]);
	close(vmm[1]);
	close(there);
}

/* It hears of it when it has read what there was before. */
static void test_a_vmm_that_is_busy_gets_one_later(void **state)
{
	struct vm_backends b = { 0 };
	int there = listen_there(), timer;

	loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, vmm), 0);
	while (handover_command(vmm[0], VMM_COMMAND_POWER_BUTTON, -1) == 0)
		;
	vm_backends_add(&b, VM_BACKEND_DISK, 1, "--disk", path);
	gone(&b, VM_BACKEND_DISK, 1);
	assert_int_equal(loop_timer_new(loop, on_time, NULL, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, 600 * 1000000ull), 0);
	(void)loop_run(loop);
	loop_del(loop, timer);
	close(timer);
	while (handover_next_command(vmm[1], &order) == 0)
		assert_int_equal(order.command, VMM_COMMAND_POWER_BUTTON);
	assert_int_equal(loop_add(loop, vmm[1], on_order, NULL), 0);
	assert_true(given_within(2000));
	assert_int_equal(order.command, VMM_COMMAND_BACKEND);
	close(order.fd);
	vm_backends_stop(&b);
	loop_del(loop, vmm[1]);
	loop = loop_free(loop);
	close(vmm[0]);
	close(vmm[1]);
	close(there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_that_are_none),
		cmocka_unit_test(test_ram_is_shared),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_a_configuration_has_its_sockets),
		cmocka_unit_test(test_one_that_is_gone_is_found_again),
		cmocka_unit_test(test_a_vmm_that_is_busy_gets_one_later),
	};
	int r;

	log_set_level(LOG_QUIET);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	r = cmocka_run_group_tests_name("vm_backend", tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return r;
}
