vmm_srcs :=
