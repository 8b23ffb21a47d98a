// SPDX-License-Identifier: GPL-2.0
/*
 * A client's greeting. This is either a PROXY header, read from a client that
 * must send one, or the server name in a TLS ClientHello. PROXY headers for
 * servers are written here, too.
 *
 * Reading peeks at the received bytes, so that no byte after the header is
 * touched. What the client sends after it, perhaps in the same packet, stays in
 * the socket's queue for the pump, in its original pages. No bytes of TLS are
 * taken, and only those that lead to the name are read.
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

/* Peek at up to KPROXY_PROXY_LOOK bytes; return how many, or -errno. */
static int greeting_peek(struct socket *socket, u8 *data)
{
	struct kvec vec = { .iov_base = data, .iov_len = KPROXY_PROXY_LOOK };
	struct msghdr msg = {};

	return kernel_recvmsg(socket, &msg, &vec, 1, vec.iov_len,
			      MSG_PEEK | MSG_DONTWAIT);
}

/* Take what was received of the header from the socket. */
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
 * kproxy_greeting_read() - read as much of a client's header as was received
 * @greeting: its state; zeroed before the first call, except for @proxy
 * @socket: the client's socket, not owned by a process
 * @source: the client's address, replaced if the header has one
 * @destination: the address it connected to, likewise
 *
 * Context: process, may sleep.
 * Return: 0 if exactly the header was taken; -EAGAIN if more bytes are needed;
 * another errno if the header is invalid or can't be completed.
 */
int kproxy_greeting_read(struct kproxy_greeting *greeting,
			 struct socket *socket, union kproxy_addr *source,
			 union kproxy_addr *destination)
{
	struct sock *sk = socket->sk;
	/* Read this first: bytes that arrive later cause another call. */
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

/* Position of a parse in a socket's queue; the socket is owned. */
struct look {
	struct sock *sk;
	/* the packet with the byte that was read last; NULL at the end */
	struct sk_buff *skb;
};

/* Callback of kproxy_hello_parse(): copies the few bytes that it asks for. */
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
 * kproxy_greeting_hello() - find what a TLS client requests
 * @greeting: its state
 * @socket: the client's socket, not owned by a process
 * @what: what is looked for
 * @text: where it is stored, KPROXY_HELLO_NAME_SIZE bytes
 *
 * Nothing is taken from the socket, so this can be called again.
 *
 * Context: process, may sleep.
 * Return: 0; -EAGAIN if more bytes are needed; -ENOENT if the client requests none;
 * another errno if it does not speak TLS.
 */
int kproxy_greeting_hello(struct kproxy_greeting *greeting,
			  struct socket *socket, enum kproxy_hello_what what,
			  char *text)
{
	struct sock *sk = socket->sk;
	struct look look = { .sk = sk };
	u32 offset;
	int err;

	greeting->hello[what].what = what;
	lock_sock(sk);
	/* Drops packets that a merge has left empty. */
	look.skb = tcp_recv_skb(sk, tcp_sk(sk)->copied_seq, &offset);
	err = kproxy_hello_parse(&greeting->hello[what], look_read, &look, text);
	/* The client has sent its FIN. */
	if (err == -EAGAIN && sock_flag(sk, SOCK_DONE))
		err = -EPROTO;
	release_sock(sk);
	return err;
}

/**
 * kproxy_greeting_write() - write a PROXY header for a server
 * @pool: where its page comes from
 * @version: enum kproxy_send_proxy, not off
 * @source: the client's address
 * @destination: the address it connected to, of the same family
 * @frag: the header; the caller gets a reference to its page
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

/**
 * kproxy_greeting_local() - the PROXY header of a connection without a client
 * @version: enum kproxy_send_proxy
 * @len: where its length in bytes is stored, 0 if there is none
 *
 * Context: any.
 * Return: the header.
 */
const void *kproxy_greeting_local(unsigned int version, size_t *len)
{
	static const char v1[] = "PROXY UNKNOWN\r\n";
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0";

	switch (version) {
	case KPROXY_SEND_PROXY_V1:
		*len = strlen(v1);
		return v1;
	case KPROXY_SEND_PROXY_V2:
		/* The last byte is a zero, too. */
		*len = sizeof(v2);
		return v2;
	default:
		*len = 0;
		return v1;
	}
}
