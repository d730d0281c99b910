irq_srcs := irq/gsi.c irq/intx.c irq/irqfd.c irq/message.c irq/msi.c irq/msix.c irq/vectors.c
