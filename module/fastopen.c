// SPDX-License-Identifier: GPL-2.0
/*
 * TCP Fast Open towards a server. A socket that may do so and has a cookie of
 * the server puts the SYN off until there is something to send; without a cookie
 * it connects as ever and asks for one. Here the SYN goes out at once, with what
 * the client has sent by then, which may be nothing: a server that speaks first
 * is heard all the same, a round trip earlier.
 *
 * Bytes that travel with the SYN are only looked at, and stay in the client's
 * queue until the server has answered, so that another one gets them, too, when
 * it does not.
 */
#include <linux/bottom_half.h>
#include <linux/mm.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "fastopen.h"
#include "fault.h"
#include "pool.h"
#include "pump.h"
#include "shared.h"

/* What fits in a SYN on Ethernet; TCP takes as much of it as it likes. */
#define SYN_DATA_MAX 1460

/**
 * kproxy_fastopen_deferred() - is the SYN still to be sent?
 * @server: the socket, whose connect has succeeded at once
 *
 * Context: process.
 * Return: true when kproxy_fastopen_connect() has to send it.
 */
bool kproxy_fastopen_deferred(const struct socket *server)
{
	return inet_test_bit(DEFER_CONNECT, server->sk);
}

static bool get_buffer(struct kproxy_pool_frag *frag)
{
	bool got;

	local_bh_disable();
	got = kproxy_pool_frag_get(&kproxy_pool, SYN_DATA_MAX, frag);
	local_bh_enable();
	return got;
}

/* Look at what the client has sent so far. */
static unsigned int peek(struct socket *client, void *data, size_t size)
{
	struct kvec vec = { .iov_base = data, .iov_len = size };
	struct msghdr msg = {};
	int len;

	len = kernel_recvmsg(client, &msg, &vec, 1, size,
			     MSG_PEEK | MSG_DONTWAIT);
	/* Urgent bytes are left out here, but not by the pump. */
	if (len < 0 || READ_ONCE(tcp_sk(client->sk)->urg_data))
		return 0;
	return len;
}

/* What the server is to get first: the pump's head, then the client's bytes. */
static void gather(struct socket *client, const struct kproxy_pump *pump,
		   struct kvec *vec)
{
	const struct kproxy_pool_frag *head = &pump->head;
	size_t len = head->len;

	if (len)
		memcpy(vec->iov_base, page_address(head->page) + head->offset,
		       len);
	vec->iov_len = len + peek(client, vec->iov_base + len,
				  SYN_DATA_MAX - len);
}

static int send_syn(struct socket *server, struct kvec *vec)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };

	return kernel_sendmsg(server, &msg, vec, 1, vec->iov_len);
}

/**
 * kproxy_fastopen_connect() - send a SYN that was put off
 * @client: the client's socket
 * @server: the socket to the server
 * @pump: the way from @client to @server; gets how many bytes went ahead
 *
 * Nobody else takes from @client meanwhile. It is owned while the SYN is sent:
 * @server may be connected before this returns, but no pump runs before it knows
 * what went ahead.
 *
 * Context: process, may sleep.
 * Return: 0, or why there is no SYN.
 */
int kproxy_fastopen_connect(struct socket *client, struct socket *server,
			    struct kproxy_pump *pump)
{
	struct kproxy_pool_frag frag;
	struct kvec vec = {};
	bool buffer;
	int sent;

	buffer = get_buffer(&frag);
	if (buffer) {
		vec.iov_base = page_address(frag.page) + frag.offset;
		gather(client, pump, &vec);
	}
	kproxy_fault_point(KPROXY_POINT_FASTOPEN_SEND);
	lock_sock_nested(client->sk, SINGLE_DEPTH_NESTING);
	sent = send_syn(server, &vec);
	kproxy_fault_point(KPROXY_POINT_FASTOPEN_SENT);
	pump->ahead = max(sent, 0);
	release_sock(client->sk);
	if (buffer)
		put_page(frag.page);
	return sent < 0 && sent != -EINPROGRESS ? sent : 0;
}
