/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_REASON_H
#define KPROXY_REASON_H

/* Why a session ended, by enum kproxy_reason; ends with NULL. */
extern const char *const reason_words[];

#endif
