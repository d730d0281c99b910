tools_srcs := \
	tools/cmd_list.c \
	tools/main.c \
	tools/opts.c \
	tools/out.c \
	tools/supervisor.c \
	tools/tty.c \
	tools/vm_opts.c \
	tools/vmm_process.c
