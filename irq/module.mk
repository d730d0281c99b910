irq_srcs := irq/gsi.c irq/irqfd.c
