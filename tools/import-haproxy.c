// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration of HAProxy: a backend becomes an upstream, a frontend a
 * listener, "listen" both. Each step is in a file haproxy-*.c.
 */
#include "haproxy.h"
#include "import.h"

void import_haproxy(struct import *im, char *text)
{
	struct haproxy_file f;
	size_t i;

	haproxy_read(&f, im, text);
	for (i = 0; i < f.n; i++) {
		if (f.list[i].skip)
			import_note(im, f.list[i].line, "%s %s: left out, it is disabled or not of TCP",
				    haproxy_sections[f.list[i].kind],
				    f.list[i].name);
		haproxy_upstream(&f, &f.list[i]);
	}
	for (i = 0; i < f.n; i++)
		haproxy_listener(&f, &f.list[i]);
	haproxy_free(&f);
}
