base_srcs := base/bdf.c base/cpulist.c base/err.c base/fd.c base/hostfs.c base/ioctl.c \
	base/log.c base/loop.c base/range.c base/size.c
