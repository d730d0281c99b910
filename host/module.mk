host_srcs :=
