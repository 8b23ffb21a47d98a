/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_PREFIX_H
#define KPROXY_PREFIX_H

#include "option.h"

/*
 * CIDR[,CIDR]...: networks. The first of the option's words is the list without
 * any, and the default.
 */
extern const struct option_type option_prefixes;

#endif
