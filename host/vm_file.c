// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/spec_internal.h"

struct reading {
	struct vm_file *file;
	struct spec_setting key;
	struct err *err;
};

static int add_value(struct spec_yaml *y, int node, struct reading *reading, bool listed)
{
	struct vm_file *file = reading->file;
	struct vm_file_word *word = spec_append(&file->words, &file->count, sizeof(*word));

	if (!word)
		return err_set(reading->err, -ENOMEM, "cannot keep what the file says");
	word->key = reading->key;
	word->listed = listed;
	return spec_yaml_text(y, node, word->key.text, VM_FILE_VALUE_MAX, &word->value);
}

static int add_listed(struct spec_yaml *y, int node, void *to)
{
	return add_value(y, node, to, true);
}

/* One without any entry is kept as well: its key may be a word that nobody knows. */
static int add_list(struct spec_yaml *y, int node, struct reading *reading)
{
	struct vm_file *file = reading->file;
	size_t before = file->count;
	int r = spec_yaml_list(y, node, reading->key.text, add_listed, reading);
	struct vm_file_word *word;

	if (r < 0 || file->count > before)
		return r;
	word = spec_append(&file->words, &file->count, sizeof(*word));
	if (!word)
		return err_set(reading->err, -ENOMEM, "cannot keep what the file says");
	*word = (struct vm_file_word){ reading->key, { NULL, spec_yaml_place(y, node) }, true };
	return 0;
}

static int take_pair(struct spec_yaml *y, const struct spec_setting *key, int value, void *to)
{
	struct reading *reading = to;

	/* The document's text goes with it. */
	reading->key = (struct spec_setting){ spec_keep(spec_yaml_spec(y), key->text), key->at };
	if (!reading->key.text)
		return err_set(reading->err, -ENOMEM, "cannot keep what the file says");
	return spec_yaml_is_list(y, value) ? add_list(y, value, reading) :
					     add_value(y, value, reading, false);
}

static int document(struct spec_yaml *y, int node, void *to)
{
	return spec_yaml_pairs(y, node, "a VM's file", take_pair, to);
}

static bool is_path(const char *name)
{
	size_t len = strlen(name), end = strlen(VM_FILE_END);

	return strchr(name, '/') || (len > end && strcmp(name + len - end, VM_FILE_END) == 0);
}

static int load_named(int root, const char *name, const struct spec_reader *reader,
		      struct vm_file *ret, struct err *err)
{
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, VM_FILE_DIR);
	char file[256];
	int r;

	snprintf(file, sizeof(file), "%.240s" VM_FILE_END, name);
	r = dir < 0 ? err_set(err, dir, "cannot open %s", file) :
		      spec_read_file(dir, file, reader, &ret->spec, err);
	if (r == -ENOENT)
		err_hint(err, "that would be /" VM_FILE_DIR "/%s; a file elsewhere is given by its path", file);
	return r;
}

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len, end = strlen(VM_FILE_END);

	path = slash ? slash + 1 : path;
	len = strlen(path);
	if (len > end && strcmp(path + len - end, VM_FILE_END) == 0)
		len -= end;
	return strndup(path, len);
}

int vm_file_load(int root, const char *name, struct vm_file *ret, struct err *err)
{
	struct reading reading = { .file = ret, .err = err };
	const struct spec_reader reader = { document, &reading };

	ret->name = name_of(name);
	if (!ret->name)
		return err_set(err, -ENOMEM, "cannot read %s", name);
	return is_path(name) ? spec_read_file(AT_FDCWD, name, &reader, &ret->spec, err) :
			       load_named(root, name, &reader, ret, err);
}

void vm_file_fini(struct vm_file *file)
{
	free(file->name);
	free(file->words);
	spec_fini(&file->spec);
	*file = (struct vm_file)VM_FILE_INIT;
}
