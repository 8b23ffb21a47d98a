/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_VERSION_H
#define KPROXY_VERSION_H

#define KPROXY_VERSION "0.1.0"

#endif
