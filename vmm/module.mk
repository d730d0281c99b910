vmm_srcs := vmm/handover.c
