/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_VERSION_H
#define _KPROXY_VERSION_H

/* Of the module and of the command; tools/packaging reads it from here. */
#define KPROXY_VERSION "0.2.0"

#endif /* _KPROXY_VERSION_H */
