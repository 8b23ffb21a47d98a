/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_CARES_H
#define KPROXY_CARES_H

/* Later versions of c-ares prefer functions that earlier ones lack. */
#define CARES_NO_DEPRECATED
#include <ares.h>

#endif
