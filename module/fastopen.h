/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_FASTOPEN_H
#define _KPROXY_FASTOPEN_H

#include <linux/types.h>

struct socket;

bool kproxy_fastopen_deferred(const struct socket *server);
int kproxy_fastopen_connect(struct socket *client, struct socket *server,
			    u32 *ahead);

#endif /* _KPROXY_FASTOPEN_H */
