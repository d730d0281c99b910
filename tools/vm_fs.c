// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_fs.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"

static const char hint[] = "write vhost-user:SOCK,tag=NAME; the guest mounts it with mount -t virtiofs "
			   "NAME DIRECTORY";

/* What a command line, and a guest's /etc/fstab, have no trouble with. */
static bool is_tag(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > VMM_FS_TAG_MAX)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int parse_word(const char *word, struct vm_opt_fs *fs, struct err *err)
{
	if (strncmp(word, "tag=", 4) != 0) {
		err_usage(err, "--fs: '%s' is not possible", word);
		return err_hint(err, "%s", hint);
	}
	if (!is_tag(word + 4)) {
		err_usage(err, "--fs: '%s' is no tag", word + 4);
		return err_hint(err, "1 to %d letters, digits and signs, without a space", VMM_FS_TAG_MAX);
	}
	strcpy(fs->tag, word + 4);
	return 0;
}

int vm_fs_parse(const char *text, struct vm_opt_fs *ret, struct err *err)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	struct vm_opt_fs fs = { 0 };
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "--fs");
	word = strsep(&rest, ",");
	if (!vm_backend_is(word)) {
		err_usage(err, "--fs: '%s' is not served by anybody", word);
		return err_hint(err, "%s", hint);
	}
	r = vm_backend_parse("--fs", word, fs.socket, err);
	while (r == 0 && (word = strsep(&rest, ",")))
		r = parse_word(word, &fs, err);
	if (r == 0 && !fs.tag[0]) {
		err_usage(err, "--fs: no tag is given");
		return err_hint(err, "%s", hint);
	}
	if (r == 0)
		*ret = fs;
	return r;
}

int vm_fs_open(const struct vm_opt_fs *opts, struct vmm_fs *ret, struct err *err)
{
	memcpy(ret->tag, opts->tag, sizeof(ret->tag));
	return vm_backend_connect("--fs", opts->socket, &ret->fd, err);
}
