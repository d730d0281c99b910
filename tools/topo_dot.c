// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "tools/topo.h"
#include "tools/topo_palette.h"

/* Inside a quoted string of graphviz, where a backslash begins an escape too. */
static void quoted(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc((unsigned char)*s < ' ' ? '?' : *s, out);
	}
}

static void print_label(FILE *out, const struct topo_view *v, int i)
{
	const struct pci_function *d = topo_view_dev(v, i);
	char text[160];

	quoted(out, topo_view_address(d->bdf, text, sizeof(text)));
	fputs("\\n", out);
	if (!pci_function_is_endpoint(d)) {
		quoted(out, topo_view_bridge(v, i, text, sizeof(text)));
		return;
	}
	quoted(out, names_model(v->d->names, d->vendor, d->device, text, sizeof(text)));
	fputs("\\n", out);
	quoted(out, d->driver[0] ? d->driver : "no driver");
	if (topo_view_node(v, i, text, sizeof(text))[0]) {
		fputs(" ", out);
		quoted(out, text);
	}
}

static void print_style(FILE *out, const struct topo_view *v, const struct pci_function *d)
{
	int group = topo_view_group(v, d->group);

	if (d->group >= 0)
		fprintf(out, "\\ngroup %d", d->group);
	fprintf(out, "\", fillcolor=\"%s\"",
		pci_function_is_endpoint(d) ? topo_palette_driver(v, d->driver) : "#ffffff");
	if (group >= 0)
		fprintf(out, ", color=\"%s\", penwidth=3", topo_palette_group(group));
	fputs("];\n", out);
}

static void print_run(FILE *out, const struct topo_view *v, int pf, const struct topo_run *run)
{
	const struct pci_function *a = topo_view_dev(v, run->first),
				  *b = topo_view_dev(v, run->last);

	fprintf(out, "\tf%d [label=\"vf%u", run->first, a->vf_index);
	if (run->count > 1)
		fprintf(out, "-vf%u", b->vf_index);
	fputs("\\n", out);
	quoted(out, a->driver[0] ? a->driver : "no driver");
	print_style(out, v, a);
	fprintf(out, "\tf%d -> f%d [style=dashed];\n", pf, run->first);
}

static void print_below(FILE *out, const struct topo_view *v, unsigned root, int i)
{
	for (int at = topo_view_first(v, root, i), next; at != PCI_TREE_NONE; at = next) {
		const struct pci_link *link = topo_view_link(v, at);

		if (topo_view_dev(v, at)->is_vf) {
			struct topo_run run;

			next = at;
			run = topo_view_run(v, &next);
			print_run(out, v, i, &run);
			continue;
		}
		next = topo_view_next(v, at);
		fprintf(out, "\tf%d [label=\"", at);
		print_label(out, v, at);
		print_style(out, v, topo_view_dev(v, at));
		if (i == PCI_TREE_NONE)
			fprintf(out, "\tr%u -> f%d;\n", root, at);
		else
			fprintf(out, "\tf%d -> f%d [penwidth=%u];\n", i, at,
				link ? 1 + link->width / 2 : 1);
		print_below(out, v, root, at);
	}
}

void topo_dot(FILE *out, const struct topo_view *v)
{
	const struct pci_tree *t = &v->acs.tree;
	char name[48];

	fputs("digraph pci {\n\trankdir=LR;\n\tedge [arrowhead=none];\n"
	      "\tnode [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", "
	      "fontsize=10];\n",
	      out);
	for (unsigned l = 0; l < v->lane_count; l++) {
		fprintf(out, "\tsubgraph cluster_%u {\n\tlabel=\"%s\";\n", l,
			topo_view_lane_name(&v->lanes[l], name, sizeof(name)));
		for (unsigned r = 0; r < t->root_count; r++) {
			if (!topo_view_in_lane(v, r, &v->lanes[l]))
				continue;
			fprintf(out, "\tr%u [label=\"%s\", fillcolor=\"#e9ecef\"];\n", r,
				t->roots[r].name);
			print_below(out, v, r, PCI_TREE_NONE);
		}
		fputs("\t}\n", out);
	}
	fputs("}\n", out);
}
