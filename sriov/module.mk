sriov_srcs :=
