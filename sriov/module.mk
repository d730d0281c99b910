sriov_srcs := sriov/numvfs.c sriov/nvme.c sriov/pf.c sriov/vf_attr.c \
	sriov/vf_link.c sriov/vf_users.c
