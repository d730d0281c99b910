// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/spec_internal.h"

void *spec_append(void *list, size_t *n, size_t size)
{
	char **array = list, *bigger = reallocarray(*array, *n + 1, size);

	if (!bigger)
		return NULL;
	*array = bigger;
	bigger += size * (*n)++;
	memset(bigger, 0, size);
	return bigger;
}

const char *spec_keep(struct spec *spec, const char *text)
{
	char **slot = spec_append(&spec->texts, &spec->text_count, sizeof(*slot));

	if (slot)
		*slot = strdup(text);
	return slot ? *slot : NULL;
}

void spec_fini(struct spec *spec)
{
	for (size_t i = 0; i < spec->text_count; i++)
		free(spec->texts[i]);
	for (size_t i = 0; i < spec->file_count; i++)
		free(spec->files[i]);
	for (size_t i = 0; i < spec->pf_count; i++)
		free(spec->pfs[i].vfs);
	free(spec->texts);
	free(spec->files);
	free(spec->devices);
	free(spec->pfs);
	free(spec->hugepages);
	*spec = (struct spec)SPEC_INIT;
}

char *spec_place_str(const struct spec *spec, struct spec_place at, char *buf)
{
	snprintf(buf, SPEC_PLACE_MAX, "%.255s:%u:%u", spec->files[at.file], at.line, at.column);
	return buf;
}

static int read_text(const char *name, const char *text, size_t len,
		     const struct spec_reader *reader, struct spec *ret, struct err *err)
{
	char **slot;

	if (ret->file_count >= SPEC_FILES_MAX)
		return err_plain(err, -EINVAL, "more than %u files describe this host",
				 SPEC_FILES_MAX);
	slot = spec_append(&ret->files, &ret->file_count, sizeof(*slot));
	if (slot)
		*slot = strdup(name);
	if (!slot || !*slot)
		return err_set(err, -ENOMEM, "cannot read %s", name);
	return spec_yaml_read(ret, (unsigned)ret->file_count - 1, text, len, reader, err);
}

int spec_load_text(const char *name, const char *text, size_t len, struct spec *ret,
		   struct err *err)
{
	return read_text(name, text, len, &(struct spec_reader){ spec_schema_document, ret }, ret,
			 err);
}

/* fd of the file that messages call `name`. */
static int read_fd(int fd, const char *name, const struct spec_reader *reader, struct spec *ret,
		   struct err *err)
{
	_cleanup_free_ char *text = malloc(SPEC_FILE_SIZE_MAX + 1);
	struct stat st;
	ssize_t len;

	if (!text)
		return err_set(err, -ENOMEM, "cannot read %s", name);
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "cannot read %s", name);
	if (!S_ISREG(st.st_mode))
		return err_plain(err, -EINVAL, "%s is not a regular file", name);
	len = fd_read_all(fd, text, SPEC_FILE_SIZE_MAX + 1);
	if (len == -EFBIG)
		return err_plain(err, -EINVAL, "%s is larger than %u KiB", name,
				 SPEC_FILE_SIZE_MAX >> 10);
	if (len < 0)
		return err_set(err, (int)len, "cannot read %s", name);
	return read_text(name, text, (size_t)len, reader, ret, err);
}

int spec_read_file(int dir, const char *path, const struct spec_reader *reader, struct spec *ret,
		   struct err *err)
{
	/* Without O_NONBLOCK a FIFO in its place would be waited for. */
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? err_set(err, -errno, "cannot open %s", path) :
			read_fd(fd, path, reader, ret, err);
}

int spec_load_file(int dir, const char *path, struct spec *ret, struct err *err)
{
	return spec_read_file(dir, path, &(struct spec_reader){ spec_schema_document, ret }, ret,
			      err);
}

struct loading {
	int dir;
	struct spec *spec;
	struct err *err;
	int r; /* of a file: its -ENOENT is not that of the directory */
};

static int load_drop_in(const char *name, void *opaque)
{
	struct loading *l = opaque;
	size_t len = strlen(name);
	char path[300];

	if (name[0] != '.' && len > 4 && strcmp(name + len - 4, ".yml") == 0)
		l->spec->passed_over = spec_keep(l->spec, name);
	if (name[0] == '.' || len < 6 || strcmp(name + len - 5, ".yaml") != 0)
		return 0;
	snprintf(path, sizeof(path), SPEC_DROP_INS "/%s", name);
	return l->r = spec_load_file(l->dir, path, l->spec, l->err);
}

/* Also a link to nowhere: what was meant to be read must not be passed over. */
static bool is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int spec_load(int root, struct spec *ret, struct err *err)
{
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, SPEC_DIR);
	struct loading loading = { dir, ret, err, 0 };
	int r = 0;

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return err_set(err, dir, "cannot open /" SPEC_DIR);
	if (is_there(dir, SPEC_FILE))
		r = spec_load_file(dir, SPEC_FILE, ret, err);
	if (r == -ENOENT || r == -EACCES)
		return err_hint(err, "it is in /" SPEC_DIR);
	if (r < 0)
		return r;
	r = hostfs_list(dir, load_drop_in, &loading, SPEC_DROP_INS);
	if (loading.r < 0)
		return loading.r;
	return r == -ENOENT ? 0 : r < 0 ? err_set(err, r, "cannot read /" SPEC_DIR "/" SPEC_DROP_INS)
					: 0;
}
