base_srcs := base/bdf.c base/cpulist.c base/err.c base/fd.c base/hostfs.c base/ioctl.c \
	base/log.c base/loop.c base/range.c base/rarp.c base/size.c
# The VMM changes nothing on the host.
base_host_srcs := base/aside.c base/audit.c base/dl.c base/journal.c base/journal_file.c base/journal_lock.c \
	base/journal_preview.c base/journal_query.c base/journal_undo.c base/plan.c base/sha256.c base/near.c \
	base/process.c base/progress.c base/term.c
