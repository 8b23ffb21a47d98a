/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_PAGE_H
#define KPROXY_PAGE_H

/* page.html, which the build makes page.c of. */
extern const char page_html[];

#endif
