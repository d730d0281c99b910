// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/report.h"

#include <errno.h>

int report_flush(FILE *out, struct err *err)
{
	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	/* What failed earlier fails again, for the stream still has it to write. */
	return err_set(err, errno ? -errno : -EIO, "cannot write the output");
}

int report_done(const char *text, size_t len, FILE *out, FILE *instead, struct err *err)
{
	int r;

	if (len)
		(void)fwrite(text, 1, len, out);
	r = report_flush(out, err);
	if (r == 0 || !len)
		return r;
	(void)fwrite(text, 1, len, instead);
	return err_hint(err, "it was done all the same: what would have been printed is above");
}
