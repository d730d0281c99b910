// SPDX-License-Identifier: GPL-2.0-or-later
/* The supervisor and the VMM agree on a machine, and refuse one that is not from this build. */
#include "vmm/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

static int pair(void **state)
{
	static int sv[2];

	*state = sv;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv);
}

static int unpair(void **state)
{
	int *sv = *state;

	close_fdp(&sv[0]);
	close_fdp(&sv[1]);
	return 0;
}

static struct vmm_config one_device(void)
{
	struct vmm_config c = { .mem = { { .size = 1 << 28 } }, .cpus = 2, .group_count = 1, .device_count = 1,
				.kvm_fd = -1, .kernel_fd = -1, .initrd_fd = -1,
				.container_fd = -1, .vsock_fd = -1, .group_fds = { -1 } };

	strcpy(c.devices[0].name, "0000:01:10.0");
	strcpy(c.cmdline, "console=ttyS0");
	return c;
}

static ino_t inode(int fd)
{
	struct stat st = { 0 };

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void test_fds_arrive_in_their_places_with_cloexec(void **state)
{
	int *sv = *state;
	_cleanup_close_ int kernel = memfd_create("kernel", MFD_CLOEXEC);
	_cleanup_close_ int group = memfd_create("group", MFD_CLOEXEC);
	struct vmm_config sent = one_device(), got = { 0 };
	struct err err = ERR_INIT;

	sent.kernel_fd = kernel;
	sent.group_fds[0] = group;
	assert_int_equal(handover_send(sv[0], &sent), 0);
	assert_int_equal(handover_receive(sv[1], &got, &err), 0);
	assert_int_equal(got.kvm_fd, -1);
	assert_int_equal(got.initrd_fd, -1);
	assert_int_equal(inode(got.kernel_fd), inode(kernel));
	assert_int_equal(inode(got.group_fds[0]), inode(group));
	assert_true(fcntl(got.group_fds[0], F_GETFD) & FD_CLOEXEC);
	assert_string_equal(got.devices[0].name, "0000:01:10.0");
	close(got.kernel_fd);
	close(got.group_fds[0]);
}

static void test_another_version_is_refused_with_a_hint(void **state)
{
	int *sv = *state;
	struct vmm_config c = one_device(), got;
	struct err err = ERR_INIT;

	c.version = HANDOVER_VERSION + 1;
	c.size = sizeof(c);
	assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
	assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
	assert_non_null(strstr(err.hint, "same build"));
}

static void test_missing_descriptor_is_refused(void **state)
{
	int *sv = *state;
	struct vmm_config c = one_device(), got;
	struct err err = ERR_INIT;

	c.version = HANDOVER_VERSION;
	c.size = sizeof(c);
	c.kvm_fd = 5; /* said to travel, but nothing does */
	assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
	assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
}

static void test_counts_beyond_the_arrays_are_refused(void **state)
{
	int *sv = *state;
	struct vmm_config c = one_device(), got;
	struct err err = ERR_INIT;

	c.version = HANDOVER_VERSION;
	c.size = sizeof(c);
	c.group_count = HANDOVER_MAX_DEVICES + 1;
	assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
	assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
}

static void test_pairs_of_a_network_device(void **state)
{
	int *sv = *state;
	_cleanup_close_ int tap = memfd_create("tap", MFD_CLOEXEC);
	_cleanup_close_ int vhost = memfd_create("vhost", MFD_CLOEXEC);
	struct vmm_config c = one_device(), got = { 0 };
	struct err err = ERR_INIT;

	c.nic_count = 2;
	c.nics[0] = (struct vmm_nic){ .pairs = VMM_NIC_PAIRS_MAX, .backend_fd = -1 };
	c.nics[1] = (struct vmm_nic){ .pairs = 1, .tap_fd = { vhost }, .vhost_fd = { -1 },
				       .backend_fd = -1 };
	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++) {
		c.nics[0].tap_fd[i] = tap;
		c.nics[0].vhost_fd[i] = vhost;
	}
	assert_int_equal(handover_send(sv[0], &c), 0);
	assert_int_equal(handover_receive(sv[1], &got, &err), 0);
	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++) {
		assert_int_equal(inode(got.nics[0].tap_fd[i]), inode(tap));
		assert_int_equal(inode(got.nics[0].vhost_fd[i]), inode(vhost));
		close(got.nics[0].tap_fd[i]);
		close(got.nics[0].vhost_fd[i]);
	}
	assert_int_equal(inode(got.nics[1].tap_fd[0]), inode(vhost));
	assert_int_equal(got.nics[1].vhost_fd[0], -1);
	close(got.nics[1].tap_fd[0]);
	c.version = HANDOVER_VERSION;
	c.size = sizeof(c);
	for (unsigned i = 0; i < 2; i++) {
		c.nics[1].pairs = i ? VMM_NIC_PAIRS_MAX + 1 : 0;
		assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
		assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
	}
}

static void test_event_of_the_wrong_size_is_no_event(void **state)
{
	int *sv = *state;
	struct vmm_event e = { .type = VMM_EVENT_READY }, got;

	assert_int_equal(send(sv[1], &e, sizeof(e) - 1, 0), sizeof(e) - 1);
	assert_int_equal(handover_next_event(sv[0], &got), -EPROTO);
	handover_event(sv[1], &e);
	assert_int_equal(handover_next_event(sv[0], &got), 0);
	assert_int_equal(got.type, VMM_EVENT_READY);
	close_fdp(&sv[1]);
	assert_int_equal(handover_next_event(sv[0], &got), -EPIPE);
}

static void test_commands_are_checked_and_never_waited_for(void **state)
{
	int *sv = *state;
	struct vmm_order got = { .fd = -1 };
	uint32_t unknown = 99, control = VMM_COMMAND_CONTROL;

	assert_int_equal(handover_next_command(sv[1], &got), -EAGAIN);
	assert_int_equal(send(sv[0], &unknown, sizeof(unknown), 0), sizeof(unknown));
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	assert_int_equal(handover_command(sv[0], VMM_COMMAND_POWER_BUTTON, -1), 0);
	assert_int_equal(handover_next_command(sv[1], &got), 0);
	assert_int_equal(got.command, VMM_COMMAND_POWER_BUTTON);
	assert_int_equal(got.fd, -1);
	/* A descriptor comes with one command, and that never without. */
	assert_int_equal(send(sv[0], &control, sizeof(control), 0), sizeof(control));
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	assert_int_equal(handover_command(sv[0], VMM_COMMAND_QUIT, STDERR_FILENO), 0);
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	assert_int_equal(got.fd, -1);
	assert_int_equal(handover_command(sv[0], VMM_COMMAND_CONTROL, STDERR_FILENO), 0);
	assert_int_equal(handover_next_command(sv[1], &got), 0);
	assert_int_equal(got.command, VMM_COMMAND_CONTROL);
	assert_true(got.fd > 2);
	close_fdp(&got.fd);
	close_fdp(&sv[0]);
	assert_int_equal(handover_next_command(sv[1], &got), -EPIPE);
}

static void test_what_is_said_of_a_nic_is_whole_or_nothing(void **state)
{
	struct vmm_nic_state nic = { .nic = 1, .report = true, .primary = true, .cause = "operator",
				     .device = "0000:01:10.0" };
	struct vmm_order got = { .fd = -1 }, bad = { .command = VMM_COMMAND_NIC };
	int *sv = *state;

	assert_int_equal(handover_nic(sv[0], &nic), 0);
	assert_int_equal(handover_next_command(sv[1], &got), 0);
	assert_int_equal(got.command, VMM_COMMAND_NIC);
	assert_int_equal(got.fd, -1);
	assert_memory_equal(&got.nic, &nic, sizeof(nic));

	assert_int_equal(handover_command(sv[0], VMM_COMMAND_NIC, -1), 0); /* the word alone */
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	nic.nic = HANDOVER_MAX_NICS;
	assert_int_equal(handover_nic(sv[0], &nic), 0);
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	memset(bad.nic.cause, 'x', sizeof(bad.nic.cause)); /* a text without an end */
	assert_int_equal(send(sv[0], &bad, sizeof(bad), 0), sizeof(bad));
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	/* Another command, as long as that one. */
	bad = (struct vmm_order){ .command = VMM_COMMAND_QUIT };
	assert_int_equal(send(sv[0], &bad, sizeof(bad), 0), sizeof(bad));
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
}

/* A VMM that waits for the supervisor's room, with its devices' lock, reads none of these. */
static void test_the_supervisor_does_not_wait_for_a_vmm_that_is_busy(void **state)
{
	struct vmm_nic_state nic = { .nic = 1, .report = true };
	struct vmm_backend disk = { VM_BACKEND_DISK, 3 };
	struct vmm_order got = { .fd = -1 };
	int *sv = *state, r = 0;

	alarm(20); /* where it does */
	for (unsigned i = 0; r == 0 && i < 100000; i++)
		r = handover_nic(sv[0], &nic);
	assert_int_equal(r, -EAGAIN);
	while (handover_command(sv[0], VMM_COMMAND_POWER_BUTTON, -1) == 0)
		;
	assert_int_equal(handover_backend(sv[0], &disk, STDERR_FILENO), -EAGAIN);
	alarm(0);
	/* What was taken is whole. */
	assert_int_equal(handover_next_command(sv[1], &got), 0);
	assert_int_equal(got.command, VMM_COMMAND_NIC);
}

static void test_a_backend_comes_with_its_socket(void **state)
{
	struct vmm_backend disk = { VM_BACKEND_DISK, 3 };
	struct vmm_order got = { .fd = -1 }, bare = { .command = VMM_COMMAND_BACKEND };
	int *sv = *state;

	assert_int_equal(handover_backend(sv[0], &disk, STDERR_FILENO), 0);
	assert_int_equal(handover_next_command(sv[1], &got), 0);
	assert_int_equal(got.command, VMM_COMMAND_BACKEND);
	assert_memory_equal(&got.backend, &disk, sizeof(disk));
	assert_true(got.fd > 2);
	close_fdp(&got.fd);
	assert_int_equal(send(sv[0], &bare, sizeof(bare), 0), sizeof(bare)); /* without */
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
	assert_int_equal(handover_command(sv[0], VMM_COMMAND_BACKEND, STDERR_FILENO), 0); /* for what? */
	assert_int_equal(handover_next_command(sv[1], &got), -EPROTO);
}

static void test_served_devices_have_theirs(void **state)
{
	_cleanup_close_ int one = memfd_create("one", MFD_CLOEXEC), two = memfd_create("two", MFD_CLOEXEC);
	struct vmm_config c = one_device(), got = { 0 };
	struct err err = ERR_INIT;
	int *sv = *state;

	c.nic_count = c.fs_count = 1;
	c.nics[0] = (struct vmm_nic){ .pairs = 1, .tap_fd = { -1 }, .vhost_fd = { -1 },
				      .vhost_user = true, .backend_fd = one };
	c.fs[0] = (struct vmm_fs){ .tag = "t", .fd = two };
	assert_int_equal(handover_send(sv[0], &c), 0);
	assert_int_equal(handover_receive(sv[1], &got, &err), 0);
	assert_int_equal(inode(got.nics[0].backend_fd), inode(one));
	assert_int_equal(inode(got.fs[0].fd), inode(two));
	close(got.nics[0].backend_fd);
	close(got.fs[0].fd);
	c.version = HANDOVER_VERSION;
	c.size = sizeof(c);
	c.fs_count = HANDOVER_MAX_FS + 1;
	assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
	assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
	c.fs_count = 1;
	memset(c.fs[0].tag, 'x', sizeof(c.fs[0].tag));
	assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
	assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
}

static void test_targets_have_theirs(void **state)
{
	_cleanup_close_ int one = memfd_create("one", MFD_CLOEXEC), two = memfd_create("two", MFD_CLOEXEC);
	struct vmm_config c = one_device(), got = { 0 };
	struct err err = ERR_INIT;
	int *sv = *state;

	c.scsi_count = 2;
	c.scsi[0] = (struct vmm_scsi){ .wwpn = "naa.1", .queues = 1, .fd = one };
	c.scsi[1] = (struct vmm_scsi){ .wwpn = "naa.2", .queues = VMM_SCSI_QUEUES_MAX, .fd = two };
	assert_int_equal(handover_send(sv[0], &c), 0);
	assert_int_equal(handover_receive(sv[1], &got, &err), 0);
	assert_true(got.scsi[0].fd != one && got.scsi[1].fd != two);
	assert_int_equal(inode(got.scsi[0].fd), inode(one));
	assert_int_equal(inode(got.scsi[1].fd), inode(two));
	assert_string_equal(got.scsi[1].wwpn, "naa.2");
	close(got.scsi[0].fd);
	close(got.scsi[1].fd);
	c.version = HANDOVER_VERSION;
	c.size = sizeof(c);
	c.scsi[0].fd = c.scsi[1].fd = -1; /* nothing comes along, so only what is said can be wrong */
	assert_int_equal(send(sv[0], &c, sizeof(c), 0), sizeof(c));
	assert_int_equal(handover_receive(sv[1], &got, &err), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct vmm_config bad = c;

		if (i == 0)
			bad.scsi_count = HANDOVER_MAX_SCSI + 1;
		else if (i == 1)
			memset(bad.scsi[1].wwpn, 'x', sizeof(bad.scsi[1].wwpn));
		else
			bad.scsi[1].queues = i == 2 ? 0 : VMM_SCSI_QUEUES_MAX + 1;
		assert_int_equal(send(sv[0], &bad, sizeof(bad), 0), sizeof(bad));
		assert_int_equal(handover_receive(sv[1], &got, &err), -EPROTO);
	}
}

static void test_last_words_are_heard_also_of_one_that_did_not_listen(void **state)
{
	int *sv = *state;
	struct vmm_event e = { .type = VMM_EVENT_ERROR, .err = { .text = "no" } }, got;

	assert_int_equal(handover_command(sv[0], VMM_COMMAND_QUIT, -1), 0);
	handover_event(sv[1], &e);
	close_fdp(&sv[1]);
	assert_int_equal(handover_next_event(sv[0], &got), 0);
	assert_string_equal(got.err.text, "no");
	assert_int_equal(handover_next_event(sv[0], &got), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fds_arrive_in_their_places_with_cloexec, pair, unpair),
		cmocka_unit_test_setup_teardown(test_another_version_is_refused_with_a_hint, pair, unpair),
		cmocka_unit_test_setup_teardown(test_missing_descriptor_is_refused, pair, unpair),
		cmocka_unit_test_setup_teardown(test_counts_beyond_the_arrays_are_refused, pair, unpair),
		cmocka_unit_test_setup_teardown(test_pairs_of_a_network_device, pair, unpair),
		cmocka_unit_test_setup_teardown(test_commands_are_checked_and_never_waited_for, pair, unpair),
		cmocka_unit_test_setup_teardown(test_what_is_said_of_a_nic_is_whole_or_nothing, pair, unpair),
		cmocka_unit_test_setup_teardown(test_the_supervisor_does_not_wait_for_a_vmm_that_is_busy, pair,
						unpair),
		cmocka_unit_test_setup_teardown(test_a_backend_comes_with_its_socket, pair, unpair),
		cmocka_unit_test_setup_teardown(test_served_devices_have_theirs, pair, unpair),
		cmocka_unit_test_setup_teardown(test_targets_have_theirs, pair, unpair),
		cmocka_unit_test_setup_teardown(test_last_words_are_heard_also_of_one_that_did_not_listen,
						pair, unpair),
		cmocka_unit_test_setup_teardown(test_event_of_the_wrong_size_is_no_event, pair, unpair),
	};

	return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
