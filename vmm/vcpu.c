// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/vcpu.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/size.h"
#include "vmm/vcpu_exit.h"
#include "vmm/vm.h"
#include "vmm/x86/amx.h"

/* Deep enough for any device handler; only touched pages count. */
#define VCPU_STACK (128 * KiB)

/* Leaves KVM_RUN; its handler closes the gap before KVM_RUN (see kicked()). */
#define KICK_SIGNAL SIGUSR1

struct vcpu_park {
	pthread_mutex_t lock;
	pthread_cond_t parked;	/* count has grown */
	pthread_cond_t changed; /* pause or end has */
	unsigned count;		/* threads parked; under lock */
	bool pause;		/* written under lock; also read without, a kick follows */
	bool end;
};

static __thread struct kvm_run *current_run;

/*
 * A signal that comes between the look at park->pause and KVM_RUN interrupts
 * nothing. With immediate_exit set from here, KVM_RUN then returns at once.
 */
static void kicked(int signo)
{
	(void)signo;
	if (current_run)
		__atomic_store_n(&current_run->immediate_exit, 1, __ATOMIC_RELAXED);
}

/*
 * An instruction that read a port or MMIO is finished by the next KVM_RUN only.
 * Do that, so that it does not overwrite registers set meanwhile. An access that
 * crosses a page exits once per page; string instructions may be left midway.
 */
static void finish_instruction(struct vcpu *cpu)
{
	for (unsigned i = 0; i < 4; i++) {
		__atomic_store_n(&cpu->run->immediate_exit, 1, __ATOMIC_RELAXED);
		if (VALUE_IOCTL(cpu->fd, KVM_RUN, 0) < 0 || !vcpu_handle_exit(cpu))
			break;
	}
	__atomic_store_n(&cpu->run->immediate_exit, 0, __ATOMIC_RELAXED);
}

/* Returns once released; false: the thread is to end. */
static bool stay_parked(struct vcpu *cpu)
{
	struct vcpu_park *park = cpu->vm->park;
	bool end;

	finish_instruction(cpu);
	pthread_mutex_lock(&park->lock);
	park->count++;
	pthread_cond_signal(&park->parked);
	while (park->pause && !park->end)
		pthread_cond_wait(&park->changed, &park->lock);
	park->count--;
	end = park->end;
	pthread_mutex_unlock(&park->lock);
	return !end;
}

/* A CPU that cannot go on waits for what main makes of it. */
static void wait_for_pause(struct vcpu_park *park)
{
	pthread_mutex_lock(&park->lock);
	while (!park->pause)
		pthread_cond_wait(&park->changed, &park->lock);
	pthread_mutex_unlock(&park->lock);
}

/* Who it is to the host's tools. Behind the first KVM_RUN, so that no start waits for it. */
static void introduce(struct vcpu *cpu)
{
	char name[16];

	if (cpu->tid)
		return;
	snprintf(name, sizeof(name), "vcpu/%u", cpu->index);
	(void)prctl(PR_SET_NAME, name);
	__atomic_store_n(&cpu->tid, gettid(), __ATOMIC_RELEASE);
	if (cpu->index == 0 && cpu->vm->on_running)
		cpu->vm->on_running();
}

static void *vcpu_thread(void *opaque)
{
	struct vcpu *cpu = opaque;
	struct vcpu_park *park = cpu->vm->park;
	bool alive = true;
	int r;

	current_run = cpu->run;
	for (;;) {
		while (!alive) {
			wait_for_pause(park);
			if (!stay_parked(cpu))
				return NULL;
			/* Not by main yet: somebody had all CPUs stopped for a moment. */
			alive = __atomic_load_n(&cpu->vm->request, __ATOMIC_ACQUIRE) == VM_RUN;
		}
		if (__atomic_load_n(&park->pause, __ATOMIC_ACQUIRE) && !stay_parked(cpu))
			return NULL;
		r = VALUE_IOCTL(cpu->fd, KVM_RUN, 0);
		introduce(cpu);
		vcpu_count(&cpu->stats.exits);
		/* Before pause is read again; whoever sets pause signals after that. */
		__atomic_store_n(&cpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		alive = r < 0 ? vcpu_handle_error(cpu, r) : vcpu_handle_exit(cpu);
	}
}

static int open_vcpu(struct vm *vm, unsigned i, size_t run_size, struct err *err)
{
	struct vcpu *cpu = &vm->vcpus[i];

	cpu->fd = VALUE_IOCTL(vm->fd, KVM_CREATE_VCPU, cpu->apic_id);
	if (cpu->fd < 0)
		return err_set(err, cpu->fd, "cannot create CPU %u", i);
	cpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return err_set(err, -errno, "cannot map CPU %u's state", i);
	}
	cpu->run_size = run_size;
	return 0;
}

static struct vcpu_park *park_new(void)
{
	struct vcpu_park *park = calloc(1, sizeof(*park));

	if (!park)
		return NULL;
	pthread_mutex_init(&park->lock, NULL);
	pthread_cond_init(&park->parked, NULL);
	pthread_cond_init(&park->changed, NULL);
	return park;
}

int vcpus_new(struct vm *vm, struct err *err)
{
	struct sigaction action = { .sa_handler = kicked };
	int run_size = VALUE_IOCTL(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int r = 0;

	if (run_size < 0)
		return err_set(err, run_size, "cannot ask KVM for the size of a CPU's state");
	vm->park = park_new();
	vm->vcpus = calloc(vm->ncpus, sizeof(*vm->vcpus));
	if (!vm->park || !vm->vcpus) {
		vcpus_free(vm);
		return err_set(err, -ENOMEM, "cannot describe %u CPUs", vm->ncpus);
	}
	for (unsigned i = 0; i < vm->ncpus; i++)
		vm->vcpus[i] = (struct vcpu){
			.vm = vm,
			.fd = -1,
			.stats_fd = -1,
			.index = i,
			.apic_id = topology_apic_id(&vm->topology, i),
		};
	if (x86_amx_on_host())
		x86_amx_request(vm->kvm_fd);
	for (unsigned i = 0; i < vm->ncpus && r == 0; i++)
		r = open_vcpu(vm, i, (size_t)run_size, err);
	if (r == 0 && sigaction(KICK_SIGNAL, &action, NULL) < 0)
		r = err_set(err, -errno, "cannot catch the signal that stops CPUs");
	if (r < 0)
		vcpus_free(vm);
	return r;
}

/*
 * pthread's attributes refuse SCHED_RESET_ON_FORK, which keeps a thread that a guest has taken
 * over from making more of its kind. Where nothing is said it costs no system call.
 */
static int schedule(pthread_t thread, unsigned fifo)
{
	struct sched_param param = { .sched_priority = (int)fifo };

	return fifo ? pthread_setschedparam(thread, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) : 0;
}

static int pin(pthread_attr_t *attr, const struct vm *vm, unsigned i)
{
	cpu_set_t set;

	if (!vm->host_cpu)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(vm->host_cpu[i], &set);
	return pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

/*
 * With a VM's first KVM_RUN the kernel (6.12, and stable ones before it) makes a thread of this
 * process that takes huge pages apart again, from time to time. It may run where its maker may:
 * so that is this thread, and not the one that has a CPU to itself. Nothing of the guest runs yet.
 */
static void make_the_kernels_threads(struct vm *vm)
{
	struct kvm_run *run = vm->vcpus[0].run;

	__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
	(void)VALUE_IOCTL(vm->vcpus[0].fd, KVM_RUN, 0);
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_RELAXED);
}

/* Nor may any other thread become one. */
static void no_more_fifo(void)
{
	(void)setrlimit(RLIMIT_RTPRIO, &(struct rlimit){ 0, 0 });
}

static int no_threads(const struct vm *vm, int r, struct err *err)
{
	err_set(err, -r, "cannot start the CPUs' threads");
	if (vm->fifo && r == EPERM)
		err_hint(err, "--sched fifo: RLIMIT_RTPRIO, or the cgroup's cpu.rt_runtime_us, does "
			      "not let them");
	else if (vm->host_cpu && r == EINVAL)
		err_hint(err, "--pin: the cgroup's cpuset does not let them run there");
	return err->code;
}

int vcpus_start(struct vm *vm, struct err *err)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r == 0)
		r = pthread_attr_setstacksize(&attr, VCPU_STACK);
	if (r == 0 && vm->host_cpu)
		make_the_kernels_threads(vm);
	for (unsigned i = 0; i < vm->ncpus && r == 0; i++) {
		r = pin(&attr, vm, i);
		if (r)
			break;
		r = pthread_create(&vm->vcpus[i].thread, &attr, vcpu_thread, &vm->vcpus[i]);
		vm->vcpus[i].started = r == 0;
		if (r == 0)
			r = schedule(vm->vcpus[i].thread, vm->fifo);
	}
	pthread_attr_destroy(&attr);
	if (vm->fifo)
		no_more_fifo();
	return r ? no_threads(vm, r, err) : 0;
}

void vcpus_stats(const struct vm *vm, struct vm_stats *ret)
{
	struct vm_stats sum = { 0 };

	for (unsigned i = 0; vm->vcpus && i < vm->ncpus; i++) {
		const struct vm_stats *s = &vm->vcpus[i].stats;

		sum.exits += __atomic_load_n(&s->exits, __ATOMIC_RELAXED);
		sum.pio += __atomic_load_n(&s->pio, __ATOMIC_RELAXED);
		sum.mmio += __atomic_load_n(&s->mmio, __ATOMIC_RELAXED);
		sum.interrupted += __atomic_load_n(&s->interrupted, __ATOMIC_RELAXED);
		sum.other += __atomic_load_n(&s->other, __ATOMIC_RELAXED);
		sum.bar_faults += __atomic_load_n(&s->bar_faults, __ATOMIC_RELAXED);
	}
	*ret = sum;
}

static unsigned started(const struct vm *vm)
{
	unsigned n = 0;

	for (unsigned i = 0; i < vm->ncpus; i++)
		n += vm->vcpus[i].started;
	return n;
}

void vcpus_pause(struct vm *vm)
{
	struct vcpu_park *park = vm->park;

	pthread_mutex_lock(&park->lock);
	__atomic_store_n(&park->pause, true, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&park->changed);
	for (unsigned i = 0; i < vm->ncpus; i++)
		if (vm->vcpus[i].started)
			pthread_kill(vm->vcpus[i].thread, KICK_SIGNAL);
	while (park->count < started(vm))
		pthread_cond_wait(&park->parked, &park->lock);
	pthread_mutex_unlock(&park->lock);
}

void vcpus_resume(struct vm *vm)
{
	struct vcpu_park *park = vm->park;

	pthread_mutex_lock(&park->lock);
	__atomic_store_n(&park->pause, false, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&park->changed);
	pthread_mutex_unlock(&park->lock);
}

static void end_threads(struct vm *vm)
{
	vcpus_pause(vm);
	pthread_mutex_lock(&vm->park->lock);
	vm->park->end = true;
	pthread_cond_broadcast(&vm->park->changed);
	pthread_mutex_unlock(&vm->park->lock);
	for (unsigned i = 0; i < vm->ncpus; i++)
		if (vm->vcpus[i].started)
			pthread_join(vm->vcpus[i].thread, NULL);
}

void vcpus_free(struct vm *vm)
{
	if (vm->vcpus && vm->park)
		end_threads(vm);
	for (unsigned i = 0; vm->vcpus && i < vm->ncpus; i++) {
		if (vm->vcpus[i].run)
			munmap(vm->vcpus[i].run, vm->vcpus[i].run_size);
		close_fdp(&vm->vcpus[i].stats_fd);
		close_fdp(&vm->vcpus[i].fd);
	}
	free(vm->vcpus);
	free(vm->park);
	vm->ring = NULL;
	vm->vcpus = NULL;
	vm->park = NULL;
}
