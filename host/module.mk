host_srcs := \
	host/change.c \
	host/device.c
