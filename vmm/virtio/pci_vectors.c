// SPDX-License-Identifier: GPL-2.0-or-later
/* A device's interrupts: MSI-X, one vector for each queue and one for the configuration, in whatever order the guest wants. */
#include "vmm/virtio/pci_internal.h"

#include <sys/eventfd.h>

#include "irq/msix.h"
#include "vmm/virtio/iothread.h"

#define ISR_QUEUE 1u /* 4.1.4.5 */

static void raise_vector(struct virtio_dev *dev, uint16_t vector)
{
	if (vector > dev->ops->nqueues || !vectors_enabled(msix_vectors(dev->msix)))
		return;
	if (dev->vector_fd[vector] >= 0)
		(void)eventfd_write(dev->vector_fd[vector], 1);
	else
		dev->vector_pending[vector] = true;
}

void virtio_signal(struct virtio_dev *dev, unsigned q)
{
	dev->isr |= ISR_QUEUE;
	raise_vector(dev, dev->q[q].vector);
}

void virtio_config_changed(struct virtio_dev *dev)
{
	dev->generation++;
	dev->isr |= VIRTIO_PCI_ISR_CONFIG;
	raise_vector(dev, dev->config_vector);
}

int virtio_call_fd(const struct virtio_dev *dev, unsigned q)
{
	uint16_t vector = dev->q[q].vector;

	return vector <= dev->ops->nqueues ? dev->vector_fd[vector] : -1;
}

/* Who interrupts for a queue has another descriptor, or none. */
void virtio_tell_calls(struct virtio_dev *dev)
{
	for (unsigned i = 0; dev->ops->call_changed && dev->running && i < dev->ops->nqueues; i++)
		dev->ops->call_changed(dev, i, virtio_call_fd(dev, i));
}

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	struct virtio_dev *dev = opaque;

	iothread_lock(dev->iothread);
	for (unsigned i = first; i < first + n && i <= dev->ops->nqueues; i++) {
		dev->vector_fd[i] = fds[i - first];
		if (dev->vector_fd[i] >= 0 && dev->vector_pending[i]) {
			dev->vector_pending[i] = false;
			(void)eventfd_write(dev->vector_fd[i], 1);
		}
	}
	virtio_tell_calls(dev);
	/* What the kernel or another process signalled while a vector was not wired yet, nobody kept. */
	for (unsigned i = first; i < first + n && i <= dev->ops->nqueues; i++)
		if (dev->ops->call_changed && dev->running && dev->vector_fd[i] >= 0)
			(void)eventfd_write(dev->vector_fd[i], 1);
	iothread_unlock(dev->iothread);
	return 0;
}

void virtio_forget_vectors(struct virtio_dev *dev)
{
	for (unsigned i = 0; i <= VIRTIO_QUEUES_MAX; i++) {
		dev->vector_fd[i] = -1;
		dev->vector_pending[i] = false;
	}
}

/* When this is over no thread writes to them: they are about to be closed. */
static void disable_vectors(void *opaque)
{
	struct virtio_dev *dev = opaque;

	iothread_lock(dev->iothread);
	virtio_forget_vectors(dev);
	virtio_tell_calls(dev);
	iothread_unlock(dev->iothread);
}

static bool vector_pending(void *opaque, unsigned i)
{
	const struct virtio_dev *dev = opaque;
	bool pending;

	iothread_lock(dev->iothread);
	pending = i <= VIRTIO_QUEUES_MAX && dev->vector_pending[i];
	iothread_unlock(dev->iothread);
	return pending;
}

const struct vector_ops virtio_vector_ops = {
	.set_vectors = set_vectors,
	.disable = disable_vectors,
	.pending = vector_pending,
};
