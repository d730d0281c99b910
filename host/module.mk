host_srcs := \
	host/change.c \
	host/device.c \
	host/facts.c
