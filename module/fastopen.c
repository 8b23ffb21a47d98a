// SPDX-License-Identifier: GPL-2.0
/*
 * TCP Fast Open towards a server. With a cookie of the server, the socket
 * defers its SYN until there is something to send. Without one, it connects
 * normally and requests a cookie. A deferred SYN is sent here at once, with
 * what the client has sent so far, even if that is nothing. A server that
 * speaks first is thus heard a round trip earlier as well.
 *
 * Bytes sent with the SYN are only peeked at. They stay in the client's queue
 * until the server has answered, so that another server gets them if this one
 * doesn't.
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

/* What fits into a SYN on Ethernet; TCP may take less. */
#define SYN_DATA_MAX 1460

/**
 * kproxy_fastopen_deferred() - check whether the SYN is still to be sent
 * @server: the socket, whose connect has succeeded at once
 *
 * Context: process.
 * Return: true if kproxy_fastopen_connect() has to send it.
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

/* Peek at what the client has sent so far. */
static unsigned int peek(struct socket *client, void *data, size_t size)
{
	struct kvec vec = { .iov_base = data, .iov_len = size };
	struct msghdr msg = {};
	int len;

	len = kernel_recvmsg(client, &msg, &vec, 1, size,
			     MSG_PEEK | MSG_DONTWAIT);
	/* Urgent bytes are left out of this copy, but not by the pump. */
	if (len < 0 || READ_ONCE(tcp_sk(client->sk)->urg_data))
		return 0;
	return len;
}

/* The server gets the pump's head first, then the client's bytes. */
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
 * kproxy_fastopen_connect() - send a deferred SYN
 * @client: the client's socket
 * @server: the socket to the server
 * @pump: the direction from @client to @server; gets the number of bytes sent
 *
 * Nobody else reads from @client during the call. The client's socket is owned
 * while the SYN is sent: @server may be connected before this returns, but no
 * pump runs before it knows how many bytes were sent.
 *
 * Context: process, may sleep.
 * Return: 0, or the error that prevented the SYN.
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
