tools_srcs := \
	tools/cmd_bind.c \
	tools/cmd_doctor.c \
	tools/cmd_groups.c \
	tools/cmd_list.c \
	tools/cmd_reset.c \
	tools/cmd_restore.c \
	tools/cmd_show.c \
	tools/cmd_vf_create.c \
	tools/cmd_vf_destroy.c \
	tools/cmd_vf_list.c \
	tools/cmd_vf_set.c \
	tools/cmd_vm_run.c \
	tools/describe.c \
	tools/groups_why.c \
	tools/main.c \
	tools/opts.c \
	tools/out.c \
	tools/show_json.c \
	tools/show_text.c \
	tools/supervisor.c \
	tools/tty.c \
	tools/vf_show.c \
	tools/vf_words.c \
	tools/vm_devices.c \
	tools/vm_open.c \
	tools/vm_opts.c \
	tools/vmm_process.c
