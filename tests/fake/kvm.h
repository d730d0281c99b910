/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's interrupt side in a test, and its memory slots: the routing table, irqfds and
 * KVM_SIGNAL_MSI, with every message that reaches the guest handed to a function. It counts the
 * requests, and who breaks the order: an irqfd without a route, a route that
 * changes under its irqfd.
 */
#ifndef TESTS_FAKE_KVM_H
#define TESTS_FAKE_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/kvm.h>

#define FAKE_KVM_IRQFDS 4096

struct fake_kvm {
	int fd; /* a number for the VM, not an open descriptor */
	/* A message arrives in the guest; by_irqfd: without userspace. */
	void (*deliver)(void *opaque, uint64_t address, uint32_t data, bool by_irqfd);
	void *opaque;
	bool old; /* before 5.11: irqfds leave the count in the eventfd */
	int fail_routing, fail_irqfd;
	int vfio_fd; /* what KVM_CREATE_DEVICE gives */

	struct kvm_irq_routing_entry routes[4096];
	unsigned nroutes;
	uint16_t msi_at[4096]; /* a GSI's message in routes, counted from 1; 0: none */
	struct {
		int fd;
		uint32_t gsi;
		int resample_fd; /* -1: edge */
	} irqfds[FAKE_KVM_IRQFDS];
	unsigned nirqfds;

	struct kvm_userspace_memory_region slots[64];
	unsigned nslots;

	/* Called before these are done; NULL: nobody looks. req is as the kernel gets it. */
	void (*on_irqfd)(void *opaque, const struct kvm_irqfd *req);
	void (*on_slot)(void *opaque, const struct kvm_userspace_memory_region *region);
	void *watcher; /* their opaque */

	unsigned commits, assigns, deassigns, signals, broken_order;
	uint64_t entries_sent; /* routing entries copied in, over all commits */
};

void fake_kvm_new(struct fake_kvm *kvm, int fd);
void fake_kvm_free(struct fake_kvm *kvm);

/* Somebody signals an eventfd: KVM takes it, if an irqfd is on it. opaque is the fake_kvm. */
void fake_kvm_signal(void *opaque, int fd);

/* The guest ends the level-triggered interrupt of gsi. */
void fake_kvm_eoi(struct fake_kvm *kvm, uint32_t gsi);

#endif
