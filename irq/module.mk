irq_srcs := irq/gsi.c irq/irqfd.c irq/msix.c irq/vectors.c
