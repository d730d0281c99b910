/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every subcommand, each defined in the cmd_*.c of its name. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

struct command;

extern const struct command cmd_bind;
extern const struct command cmd_doctor;
extern const struct command cmd_export;
extern const struct command cmd_groups;
extern const struct command cmd_host_apply;
extern const struct command cmd_host_confirm;
extern const struct command cmd_host_diff;
extern const struct command cmd_host_owner;
extern const struct command cmd_host_recover;
extern const struct command cmd_host_save;
extern const struct command cmd_hugepages;
extern const struct command cmd_list;
extern const struct command cmd_metrics;
extern const struct command cmd_monitor;
extern const struct command cmd_reset;
extern const struct command cmd_restore;
extern const struct command cmd_show;
extern const struct command cmd_topo;
extern const struct command cmd_vf_create;
extern const struct command cmd_vf_destroy;
extern const struct command cmd_vf_lease;
extern const struct command cmd_vf_list;
extern const struct command cmd_vf_release;
extern const struct command cmd_vf_set;
extern const struct command cmd_vm_attach;
extern const struct command cmd_vm_balloon;
extern const struct command cmd_vm_console;
extern const struct command cmd_vm_disk;
extern const struct command cmd_vm_detach;
extern const struct command cmd_vm_events;
extern const struct command cmd_vm_irq;
extern const struct command cmd_vm_kill;
extern const struct command cmd_vm_nic;
extern const struct command cmd_vm_pause;
extern const struct command cmd_vm_ps;
extern const struct command cmd_vm_reset;
extern const struct command cmd_vm_resume;
extern const struct command cmd_vm_run;
extern const struct command cmd_vm_stats;
extern const struct command cmd_vm_status;
extern const struct command cmd_vm_stop;

#endif
