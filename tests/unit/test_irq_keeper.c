// SPDX-License-Identifier: GPL-2.0-or-later
/* The process that keeps a guest's interrupts in their place: what it does about signals and ends. */
#include "tools/irq_keeper.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_client.h"
#include "tools/vm_socket.h"

#define VMM	812
#define WAIT_MS 10000 /* for what comes much sooner */

/* It looks 25 times as often as with a real VM. How long we wait for it is not shorter. */
static const struct irq_keeper_times times = { .interval_ms = 40, .rest_ms = 10, .end_ms = 3000 };

static const struct irq_place place = { IRQ_CPUS, "1" };
static struct vm_socket vm_socket;
static int root, vm = -1; /* the keeper's connection to the VM, which is us */
static pid_t keeper;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "proc/interrupts", "           CPU0       CPU1\n"
				     " 36:         12          5   IR-PCI-MSIX-0000:01:10.0    0-edge      "
				     "vfio-msix[0](0000:01:10.0)\n"
				     " 16:          3          0   IR-IO-APIC   16-fasteoi   ehci_hcd:usb1, "
				     "vfio-intx(0000:04:01.0)\n" },
		{ "run" },
		{ "proc/812/fd/5", .link = "/dev/vfio/7" },
		{ "proc/812/fd/6", .link = "/dev/vfio/8" },
		{ 0 },
	};

	root = fake_sysfs(nodes);
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:01:10.0", .driver = "vfio-pci", .group = "7" });
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:04:01.0", .driver = "vfio-pci", .group = "8" });
	vm_socket = (struct vm_socket){ .name = "kept", .fd = -1 };
	keeper = 0;
	irq_keeper_times = times;
	return vm_socket_open(root, &vm_socket, NULL);
}

static int teardown(void **state)
{
	if (keeper > 0) {
		kill(keeper, SIGKILL);
		waitpid(keeper, NULL, 0);
	}
	close_fdp(&vm);
	vm_socket_remove(root, &vm_socket);
	fake_sysfs_free(&root);
	return 0;
}

/* --- the VM ------------------------------------------------------------------------------------ */

static bool comes(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

/* The keeper asks; false: it hung up instead. */
static bool asks(void)
{
	char text[512];

	if (vm < 0) {
		assert_true(comes(vm_socket.fd));
		vm = accept4(vm_socket.fd, NULL, NULL, SOCK_CLOEXEC);
		assert_true(vm >= 0);
	}
	assert_true(comes(vm));
	return recv(vm, text, sizeof(text), 0) > 0;
}

static void say(const char *text)
{
	assert_int_equal(send(vm, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void answer(void)
{
	say("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"pid\":812,\"cpu_threads\":[900],\"devices\":["
		"{\"device\":\"0000:01:10.0\",\"mode\":\"msix\",\"vectors\":[{\"vector\":0,\"path\":\"irqfd\","
		"\"masked\":false,\"pending\":false,\"relayed\":0,\"guest_vector\":49,\"guest_cpu\":0,"
		"\"delivery\":\"fixed\"}]}]}}\n");
}

static void answer_with_a_line(void)
{
	say("{\"id\":1,\"result\":{\"pid\":812,\"cpu_threads\":[900],\"devices\":["
	    "{\"device\":\"0000:04:01.0\",\"mode\":\"intx\",\"vectors\":[]}]}}\n");
}

static void assert_comes_to(unsigned irq, const char *cpus)
{
	char now[64] = "";

	for (unsigned i = 0; i < WAIT_MS / 10 && strcmp(now, cpus) != 0; i++) {
		(void)poll(NULL, 0, 10);
		assert_true(hostfs_read(root, now, sizeof(now), "proc/irq/%u/smp_affinity_list",
					irq) >= 0);
	}
	assert_string_equal(now, cpus);
}

/* Asks, and puts the interrupt in its place, which it has left. */
static void assert_keeps(void)
{
	fake_sysfs_text(root, "0", "proc/irq/36/smp_affinity_list");
	assert_true(asks());
	answer();
	assert_comes_to(36, "1");
}

/* A keeper that moved a line, twice. */
static void start_with_a_line(void)
{
	fake_sysfs_text(root, "0", "proc/irq/16/smp_affinity_list");
	fake_sysfs_text(root, "0", "proc/irq/36/smp_affinity_list");
	keeper = irq_keeper_start(root, "kept", VMM, &place);
	assert_true(keeper > 0);
	assert_true(asks());
	answer_with_a_line();
	assert_comes_to(16, "1");
	fake_sysfs_text(root, "3", "proc/irq/16/smp_affinity_list"); /* which is not where it was */
	assert_true(asks());
	answer_with_a_line();
	assert_comes_to(16, "1");
}

static void start(void)
{
	keeper = irq_keeper_start(root, "kept", VMM, &place);
	assert_true(keeper > 0);
	assert_keeps();
}

/* Its exit status, or that it was killed, as waitpid() says it. */
static int ended(void)
{
	int status = -1;

	for (unsigned i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(keeper, &status, WNOHANG) == keeper) {
			keeper = 0;
			return status;
		}
		(void)poll(NULL, 0, 10);
	}
	fail_msg("it does not end");
	return -1;
}

/* --- */

static void test_what_is_sent_to_all_of_them_is_not_for_it(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGUSR1, SIGPIPE };

	start();
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		assert_int_equal(kill(keeper, signals[i]), 0);
	assert_keeps();
	/* They wait for good, and do not swallow what its supervisor says at last. */
	assert_int_equal(kill(keeper, IRQ_KEEPER_END), 0);
	assert_int_equal(ended(), 0);
}

static void test_it_ends_in_order_when_it_is_told(void **state)
{
	start();
	assert_int_equal(kill(keeper, IRQ_KEEPER_END), 0);
	assert_int_equal(ended(), 0);
}

/* As one does that is stopped, or pins a guest's RAM: it is neither gone nor to be asked twice. */
static void test_a_late_answer_is_waited_for(void **state)
{
	struct pollfd again;

	vm_client_answer_ms = 20;
	start();
	assert_true(asks());
	again = (struct pollfd){ .fd = vm, .events = POLLIN };
	/* Some looks later it neither asks nor hangs up. */
	assert_int_equal(poll(&again, 1, 5 * (int)times.interval_ms), 0);
	fake_sysfs_text(root, "0", "proc/irq/36/smp_affinity_list");
	answer();
	assert_keeps();
}

static void test_an_answer_in_pieces_is_one(void **state)
{
	start();
	assert_true(asks());
	say("{\"id\":1,");
	(void)poll(NULL, 0, 4 * (int)times.rest_ms);
	say("\"error\":{\"message\":\"not now\"}}\n");
	assert_keeps();
}

/* What is no answer is asked for anew, on a connection that is not out of step. */
static void test_what_is_no_answer_does_not_end_it(void **state)
{
	start();
	assert_true(asks());
	say("none\n");
	assert_false(asks());
	close_fdp(&vm);
	assert_keeps();
}

static void test_it_ends_at_once_while_it_waits_for_an_answer(void **state)
{
	start();
	assert_true(asks());
	assert_int_equal(kill(keeper, IRQ_KEEPER_END), 0);
	assert_int_equal(ended(), 0);
}

static void test_it_ends_with_its_vm_while_it_waits_for_an_answer(void **state)
{
	start();
	assert_true(asks());
	close_fdp(&vm);
	assert_int_equal(ended(), 1 << 8);
}

static void test_it_ends_with_its_vm(void **state)
{
	start();
	close_fdp(&vm);
	assert_int_equal(ended(), 1 << 8);
}

static void test_a_line_is_put_back_at_the_end(void **state)
{
	start_with_a_line();
	assert_int_equal(kill(keeper, IRQ_KEEPER_END), 0);
	assert_int_equal(ended(), 0);
	assert_comes_to(16, "0");
}

static void test_a_line_is_put_back_when_the_vm_dies(void **state)
{
	start_with_a_line();
	close_fdp(&vm);
	assert_int_equal(ended(), 1 << 8);
	assert_comes_to(16, "0");
}

/* The guest has vectors now, and no line any more. */
static void test_a_line_is_put_back_when_the_guest_goes_over_to_msix(void **state)
{
	start_with_a_line();
	assert_keeps();
	assert_comes_to(16, "0");
	assert_int_equal(kill(keeper, IRQ_KEEPER_END), 0);
	assert_int_equal(ended(), 0);
	assert_comes_to(36, "1"); /* which goes with the VM */
}

static void test_a_line_that_is_anothers_by_then_is_left_alone(void **state)
{
	start_with_a_line();
	assert_true(asks()); /* in vain: it does not move it again */
	fake_sysfs_text(root, "5", "proc/irq/16/smp_affinity_list");
	assert_int_equal(kill(keeper, IRQ_KEEPER_END), 0);
	assert_int_equal(ended(), 0);
	assert_comes_to(16, "5");
}

static void test_a_vm_that_is_not_there_has_none(void **state)
{
	keeper = irq_keeper_start(root, "another", VMM, &place);
	assert_true(keeper > 0);
	assert_int_equal(ended(), 1 << 8);
}

/* Who was killed tells nobody. */
static void test_it_ends_with_its_supervisor(void **state)
{
	pid_t supervisor = fork();

	if (supervisor == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (irq_keeper_start(root, "kept", VMM, &place) > 0)
			pause();
		_exit(1);
	}
	assert_keeps();
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	for (unsigned i = 0; asks(); i++) {
		assert_true(i < 2); /* what it asked before */
		answer();
	}
}

static void test_what_the_supervisor_has_open_is_not_kept(void **state)
{
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	start();
	close(ends[1]);
	assert_true(comes(ends[0]));
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

static void test_one_that_asks_a_vm_that_hangs_ends_in_order(void **state)
{
	struct timespec before, after;
	pid_t pid;

	pid = irq_keeper_start(root, "kept", VMM, &place);
	assert_true(pid > 0);
	assert_true(asks()); /* for good */
	clock_gettime(CLOCK_MONOTONIC, &before);
	irq_keeper_end(pid);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 3); /* then it would be killed */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	irq_keeper_end(0); /* none */
}

static void test_one_that_is_stopped_is_killed(void **state)
{
	irq_keeper_times.end_ms = 50;
	start();
	assert_int_equal(kill(keeper, SIGSTOP), 0);
	irq_keeper_end(keeper);
	assert_int_equal(waitpid(keeper, NULL, WNOHANG), -1);
	keeper = 0;
}

static void test_one_that_was_killed_leaves_nothing(void **state)
{
	start();
	assert_int_equal(kill(keeper, SIGKILL), 0);
	irq_keeper_reap(keeper);
	assert_int_equal(waitpid(keeper, NULL, WNOHANG), -1);
	keeper = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_what_is_sent_to_all_of_them_is_not_for_it),
		TEST(test_it_ends_in_order_when_it_is_told),
		TEST(test_a_late_answer_is_waited_for),
		TEST(test_an_answer_in_pieces_is_one),
		TEST(test_what_is_no_answer_does_not_end_it),
		TEST(test_it_ends_at_once_while_it_waits_for_an_answer),
		TEST(test_it_ends_with_its_vm_while_it_waits_for_an_answer),
		TEST(test_it_ends_with_its_vm),
		TEST(test_a_line_is_put_back_at_the_end),
		TEST(test_a_line_is_put_back_when_the_vm_dies),
		TEST(test_a_line_is_put_back_when_the_guest_goes_over_to_msix),
		TEST(test_a_line_that_is_anothers_by_then_is_left_alone),
		TEST(test_a_vm_that_is_not_there_has_none),
		TEST(test_it_ends_with_its_supervisor),
		TEST(test_what_the_supervisor_has_open_is_not_kept),
		TEST(test_one_that_asks_a_vm_that_hangs_ends_in_order),
		TEST(test_one_that_is_stopped_is_killed),
		TEST(test_one_that_was_killed_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
