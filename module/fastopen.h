/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_FASTOPEN_H
#define _KPROXY_FASTOPEN_H

#include <linux/types.h>

struct kproxy_pump;
struct socket;

bool kproxy_fastopen_deferred(const struct socket *server);
int kproxy_fastopen_connect(struct socket *client, struct socket *server,
			    struct kproxy_pump *pump);

#endif /* _KPROXY_FASTOPEN_H */
