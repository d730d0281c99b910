// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The picture in a page of its own: nothing is loaded, and its script only moves
 * the picture's <title> texts into a box beside the mouse, as text.
 */
#include "tools/topo.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
	"<title>PCI devices</title>\n"
	"<style>body{margin:0;background:#fff}svg{max-width:100%;height:auto;display:block;"
	"margin:auto}#tip{position:fixed;display:none;max-width:42em;padding:8px 12px;"
	"background:#212529;color:#f8f9fa;font:12px/1.5 'DejaVu Sans',Verdana,sans-serif;"
	"white-space:pre-line;border-radius:6px;box-shadow:0 2px 8px #0006;pointer-events:none}"
	"</style></head><body>\n";

static const char tail[] =
	"<div id=\"tip\"></div>\n<script>\n"
	"const tip = document.getElementById('tip');\n"
	"for (const g of document.querySelectorAll('.fn, .vf')) {\n"
	"  const title = g.querySelector(':scope > title');\n"
	"  g.dataset.tip = title.textContent;\n"
	"  title.remove();\n"
	"}\n"
	"document.addEventListener('mousemove', e => {\n"
	"  const g = e.target.closest('.vf, .fn');\n"
	"  tip.style.display = g ? 'block' : 'none';\n"
	"  if (!g)\n"
	"    return;\n"
	"  tip.textContent = g.dataset.tip;\n"
	"  tip.style.left = Math.min(e.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';\n"
	"  tip.style.top = Math.min(e.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';\n"
	"});\n"
	"</script></body></html>\n";

int topo_html(FILE *out, const struct topo_view *v)
{
	int r;

	fputs(head, out);
	r = topo_svg(out, v);
	fputs(tail, out);
	return r;
}
