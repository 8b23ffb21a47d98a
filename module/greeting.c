// SPDX-License-Identifier: GPL-2.0
/*
 * What a client says first: the header of the PROXY protocol, on its way from the
 * socket of a client that must send one, and into a page for the server that wants
 * one; and the server name that a client of TLS asks for.
 *
 * Reading looks at what has come without taking it, so that never a byte behind
 * the header is touched: what the client sends after it, perhaps in the same
 * packet, stays in the socket's queue for the pump, in the pages it came in. Of
 * TLS nothing is taken at all, and only what leads to the name is looked at.
 */
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <uapi/linux/kproxy.h>

#include "client-hello.h"
#include "greeting.h"
#include "pool.h"
#include "proxy-protocol.h"
#include "sock.h"

/* What has come so far, up to KPROXY_PROXY_LOOK bytes: how many, or -errno. */
static int greeting_peek(struct socket *socket, u8 *data)
{
	struct kvec vec = { .iov_base = data, .iov_len = KPROXY_PROXY_LOOK };
	struct msghdr msg = {};

	return kernel_recvmsg(socket, &msg, &vec, 1, vec.iov_len,
			      MSG_PEEK | MSG_DONTWAIT);
}

/* Take from the socket what has come of the header. */
static void greeting_take(struct kproxy_greeting *greeting, struct sock *sk)
{
	u32 len;

	lock_sock(sk);
	len = min(kproxy_sock_unread(sk), greeting->left);
	kproxy_sock_read_done(sk, len);
	release_sock(sk);
	greeting->left -= len;
}

static int greeting_parse(struct kproxy_greeting *greeting,
			  struct socket *socket, union kproxy_addr *source,
			  union kproxy_addr *destination)
{
	struct kproxy_proxy_header header;
	u8 data[KPROXY_PROXY_LOOK];
	int len, err;

	len = greeting_peek(socket, data);
	if (len <= 0)
		return len ?: -EPIPE;
	err = kproxy_proxy_parse(data, len, &header);
	if (err)
		return err;
	greeting->left = header.len;
	greeting->known = true;
	if (header.named) {
		*source = header.source;
		*destination = header.destination;
	}
	return 0;
}

/**
 * kproxy_greeting_read() - read a client's header as far as it has come
 * @greeting: how far it was read; zeroed before the first call, but for @proxy
 * @socket: the client's socket, owned by nobody
 * @source: where the client is, changed if the header says it
 * @destination: where it connected to, changed likewise
 *
 * Context: process, may sleep.
 * Return: 0 when all of the header was taken and nothing else; -EAGAIN when
 * more must come; another errno when none will.
 */
int kproxy_greeting_read(struct kproxy_greeting *greeting,
			 struct socket *socket, union kproxy_addr *source,
			 union kproxy_addr *destination)
{
	struct sock *sk = socket->sk;
	/* Looked at first: what has come after that is another call's. */
	bool ended = sock_flag(sk, SOCK_DONE);
	int err;

	if (!greeting->known) {
		err = greeting_parse(greeting, socket, source, destination);
		if (err)
			return err == -EAGAIN && ended ? -EPIPE : err;
	}
	greeting_take(greeting, sk);
	if (greeting->left)
		return ended ? -EPIPE : -EAGAIN;
	greeting->proxy = false;
	return 0;
}

/* Where in a socket's queue a look at the stream is; the socket is owned. */
struct look {
	struct sock *sk;
	/* the packet with the byte that was read last, or NULL behind all */
	struct sk_buff *skb;
};

/* For kproxy_hello_parse(): copies of the few bytes that it wants to see. */
static int look_read(void *arg, u32 at, u8 *to, u32 len)
{
	struct look *look = arg;
	u32 start = tcp_sk(look->sk)->copied_seq, offset, part;

	while (look->skb) {
		offset = start + at - TCP_SKB_CB(look->skb)->seq;
		if (offset < look->skb->len) {
			part = min(len, look->skb->len - offset);
			if (skb_copy_bits(look->skb, offset, to, part))
				return -EIO;
			to += part;
			at += part;
			len -= part;
			if (!len)
				return 0;
		}
		look->skb = skb_peek_next(look->skb,
					  &look->sk->sk_receive_queue);
	}
	return -EAGAIN;
}

/**
 * kproxy_greeting_name() - the server name that a client of TLS asks for
 * @greeting: how far it was looked for
 * @socket: the client's socket, owned by nobody
 * @name: where it goes, in lower case, KPROXY_HELLO_NAME_SIZE bytes
 *
 * Nothing is taken from the socket, so that it can be asked for again.
 *
 * Context: process, may sleep.
 * Return: 0; -EAGAIN when more must come; another errno when there is no name.
 */
int kproxy_greeting_name(struct kproxy_greeting *greeting,
			 struct socket *socket, char *name)
{
	struct sock *sk = socket->sk;
	struct look look = { .sk = sk };
	u32 offset;
	int err;

	lock_sock(sk);
	/* Drops packets that a merge has left empty. */
	look.skb = tcp_recv_skb(sk, tcp_sk(sk)->copied_seq, &offset);
	err = kproxy_hello_parse(&greeting->hello, look_read, &look, name);
	/* No more will come. */
	if (err == -EAGAIN && sock_flag(sk, SOCK_DONE))
		err = -EPROTO;
	release_sock(sk);
	return err;
}

/**
 * kproxy_greeting_write() - write a header for a server
 * @pool: where its page comes from
 * @version: enum kproxy_send_proxy, not off
 * @source: the client's address
 * @destination: where it connected to, of the same family
 * @frag: the header; the caller has a reference to its page
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int kproxy_greeting_write(struct kproxy_pool *pool, unsigned int version,
			  const union kproxy_addr *source,
			  const union kproxy_addr *destination,
			  struct kproxy_pool_frag *frag)
{
	bool got;
	u8 *data;

	local_bh_disable();
	got = kproxy_pool_frag_get(pool, KPROXY_PROXY_SIZE, frag);
	local_bh_enable();
	if (!got)
		return -ENOMEM;
	data = page_address(frag->page) + frag->offset;
	frag->len = version == KPROXY_SEND_PROXY_V1 ?
		    kproxy_proxy_build_v1(data, source, destination) :
		    kproxy_proxy_build_v2(data, source, destination);
	return 0;
}
