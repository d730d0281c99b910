host_srcs := \
	host/change.c \
	host/confirm.c \
	host/device.c \
	host/facts.c \
	host/hugepages.c \
	host/hugepages_users.c \
	host/klog.c \
	host/doctor/check.c \
	host/doctor/iommu.c \
	host/doctor/module.c \
	host/doctor/rules.c \
	host/doctor/run.c \
	host/doctor/users.c \
	host/doctor/wanted.c \
	host/spec.c \
	host/spec_apply.c \
	host/spec_facts.c \
	host/spec_match.c \
	host/spec_plan.c \
	host/spec_plan_pf.c \
	host/spec_save.c \
	host/spec_schema.c \
	host/spec_yaml.c
