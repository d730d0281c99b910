tools_srcs := tools/supervisor.c tools/tty.c tools/vm_opts.c tools/vmm_process.c
