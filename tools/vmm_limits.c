// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vmm_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/size.h"

/* Where all of it is not allowed, as far as it is. */
static int raise_limit(int which, uint64_t want, uint64_t *ret_have)
{
	struct rlimit rl;
	int r;

	if (getrlimit((__rlimit_resource_t)which, &rl) < 0)
		return -errno;
	*ret_have = rl.rlim_cur;
	if (rl.rlim_cur >= want)
		return 0;
	*ret_have = rl.rlim_max;
	rl.rlim_cur = want;
	if (rl.rlim_max < want)
		rl.rlim_max = want; /* needs CAP_SYS_RESOURCE */
	if (setrlimit((__rlimit_resource_t)which, &rl) == 0)
		return 0;
	r = -errno;
	rl.rlim_cur = rl.rlim_max = *ret_have;
	(void)setrlimit((__rlimit_resource_t)which, &rl);
	return r;
}

/*
 * Too low a limit is no reason not to start: few guests use all that they may. What their vectors lack
 * the VMM says, which knows how many they are.
 */
static void raise_nofile(const struct vmm_limits *limits)
{
	uint64_t want = limits->nofile, have = 0;

	if (limits->nofile_vectors > want)
		want = limits->nofile_vectors;
	if (raise_limit(RLIMIT_NOFILE, want, &have) < 0 && have < limits->nofile)
		log_warn("this VM may need %" PRIu64 " open files, and the limit is %" PRIu64
			 ": some of its queues may not work (ulimit -Hn, LimitNOFILE=)",
			 limits->nofile, have);
}

int vmm_limits_raise(const struct vmm_limits *limits, struct err *err)
{
	uint64_t have = 0;
	int r = raise_limit(RLIMIT_MEMLOCK, limits->memlock, &have);

	if (r < 0) {
		err_set(err, r, "cannot lock the guest's memory: it takes %s, RLIMIT_MEMLOCK allows %s",
			SIZE_STR(limits->memlock), SIZE_STR(have));
		return err_hint(err, "raise memlock to %llu KiB for this user in "
				     "/etc/security/limits.d, or set LimitMEMLOCK= in the unit",
				(unsigned long long)(limits->memlock / KiB));
	}
	if (limits->memlock_later > limits->memlock)
		(void)raise_limit(RLIMIT_MEMLOCK, limits->memlock_later, &have);
	raise_nofile(limits);
	r = limits->rtprio ? raise_limit(RLIMIT_RTPRIO, limits->rtprio, &have) : 0;
	if (r < 0) {
		err_set(err, r, "--sched: fifo of priority %llu, and RLIMIT_RTPRIO allows %llu",
			(unsigned long long)limits->rtprio, (unsigned long long)have);
		return err_hint(err, "raise rtprio for this user in /etc/security/limits.d");
	}
	return 0;
}
