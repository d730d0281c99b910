/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a spec's file becomes data. spec_yaml.c knows YAML and walks it by tables;
 * spec_schema.c is those tables. A node is a number of libyaml's document.
 */
#ifndef HOST_SPEC_INTERNAL_H
#define HOST_SPEC_INTERNAL_H

#include "host/spec.h"

struct spec_yaml; /* a document that is being read */

/* A key of a mapping: what may stand behind it and where that is stored. */
struct spec_row {
	const char *key;
	const char *expects; /* "a number from 0 to 7" */
	/*
	 * A single value: make it uniform in ret (SPEC_TEXT_MAX bytes), which is then
	 * stored as the struct spec_setting `at` bytes into the target. 0 or -EINVAL.
	 */
	int (*take)(const struct spec_row *row, const char *text, char *ret);
	/* Or anything else: its own function, with the target. */
	int (*walk)(struct spec_yaml *y, int node, void *to);
	size_t at;
	unsigned long min, max;	  /* for take */
	const char *const *words; /* for take; ends with NULL */
	bool required;
};

/* What reads a whole document, from its root node on, and for whom. */
struct spec_reader {
	int (*document)(struct spec_yaml *y, int node, void *to);
	void *to;
};

/* Read the file's one document; spec keeps names and texts. 0 or -errno, err set. */
int spec_yaml_read(struct spec *spec, unsigned file, const char *text, size_t len,
		   const struct spec_reader *reader, struct err *err);

/* A file, as spec_load_file(), for another reader than host.yaml's. */
int spec_read_file(int dir, const char *path, const struct spec_reader *reader, struct spec *ret,
		   struct err *err);

/* The whole of a document: spec_schema.c's entry. */
int spec_schema_document(struct spec_yaml *y, int node, void *spec);

/*
 * The walkers return 0 or a negative number with the error said. Rows end with one
 * without key; `what` is for messages: "an entry of pfs".
 */
int spec_yaml_mapping(struct spec_yaml *y, int node, const struct spec_row *rows, void *to,
		      const char *what);

/* Call fn for each entry of a list, until it fails. */
int spec_yaml_list(struct spec_yaml *y, int node, const char *what,
		   int (*fn)(struct spec_yaml *y, int node, void *to), void *to);

/* Call fn for each pair of a mapping whose keys are not known beforehand. */
int spec_yaml_pairs(struct spec_yaml *y, int node, const char *what,
		    int (*fn)(struct spec_yaml *y, const struct spec_setting *key, int value,
			      void *to),
		    void *to);

/* One value, by a row. */
int spec_yaml_value(struct spec_yaml *y, int node, const struct spec_row *row,
		    struct spec_setting *ret);

/* One value as it stands there, shorter than max bytes. */
int spec_yaml_text(struct spec_yaml *y, int node, const char *key, size_t max,
		   struct spec_setting *ret);

/* Whether it is a list. */
bool spec_yaml_is_list(struct spec_yaml *y, int node);

struct spec_place spec_yaml_place(struct spec_yaml *y, int node);
struct spec *spec_yaml_spec(struct spec_yaml *y);

/* "host.yaml:3:5: …". Returns -EINVAL. */
int spec_yaml_fail(struct spec_yaml *y, struct spec_place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A copy that the spec owns; NULL without memory. */
const char *spec_keep(struct spec *spec, const char *text);

/* Room for one more of `size` bytes behind n in *list, zeroed. NULL without memory. */
void *spec_append(void *list, size_t *n, size_t size);

#endif
