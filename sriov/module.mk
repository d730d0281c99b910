sriov_srcs := sriov/address.c sriov/bridge.c sriov/devlink.c sriov/interface.c sriov/link_watch.c sriov/numvfs.c sriov/nvme.c sriov/nvme_virt.c sriov/pf.c sriov/pf_announce.c sriov/vf_attr.c \
	sriov/vf_destroy.c sriov/vf_link.c sriov/vf_mac.c sriov/vf_plan.c sriov/vf_set.c sriov/vf_users.c
