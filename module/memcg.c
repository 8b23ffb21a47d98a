// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups. The kernel charges a socket's buffers to the cgroup of the
 * task that makes or accepts it. A listening socket is made by whoever adds the
 * listener, but a session's sockets by workers of the kernel, which belong to
 * the root, and nobody would be charged. So they get the cgroup of the socket
 * that they come from, in the end the listener's.
 */
#include <linux/bottom_half.h>
#include <linux/memcontrol.h>
#include <net/sock.h>

#include "memcg.h"

/**
 * kproxy_memcg_inherit() - charge a socket's buffers to another one's cgroup
 * @sk: the socket, which has sent nothing yet
 * @from: whose cgroup it is; it is not closed meanwhile
 *
 * What @sk has received is taken off the account and put on it again, where it
 * is the cgroup's, too. With bottom halves off it is charged as it would have
 * been when it came: at once, above a limit of the cgroup if need be.
 *
 * Context: process, may sleep.
 * Return: false if TCP has no memory; @sk can only be closed then.
 */
bool kproxy_memcg_inherit(struct sock *sk, const struct sock *from)
{
	struct mem_cgroup *memcg = from->sk_memcg;
	bool charged = true;
	int bytes;

	if (!memcg)
		return true;

	lock_sock(sk);
	if (sk->sk_memcg)
		goto out;
	bytes = sk_mem_pages(sk->sk_forward_alloc +
			     atomic_read(&sk->sk_rmem_alloc)) << PAGE_SHIFT;
	if (bytes)
		__sk_mem_reclaim(sk, bytes);
	css_get(&memcg->css);
	sk->sk_memcg = memcg;
	if (bytes) {
		local_bh_disable();
		/* If not, sk_forward_alloc is negative until the socket ends. */
		charged = __sk_mem_schedule(sk, bytes, SK_MEM_RECV);
		local_bh_enable();
	}
out:
	release_sock(sk);
	return charged;
}
