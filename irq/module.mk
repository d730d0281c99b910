irq_srcs :=
