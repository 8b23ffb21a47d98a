/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_SOCK_H
#define _KPROXY_SOCK_H

#include <linux/types.h>

struct file;
struct kproxy_sock;
struct net;
struct sock;
struct socket;

/* Keepalive: seconds until the first probe, between probes, and probes sent. */
#define KPROXY_KEEPALIVE_IDLE 60
#define KPROXY_KEEPALIVE_INTERVAL 10
#define KPROXY_KEEPALIVE_COUNT 6

/*
 * Events of a socket. Called under RCU and with the socket locked, except for a
 * listening socket's data_ready. The lock is the spinlock in softirq, or
 * ownership while a process works off the backlog, with bottom halves on.
 */
struct kproxy_sock_ops {
	/* data, end of stream or, on a listening socket, a client has come */
	void (*data_ready)(struct kproxy_sock *ks);
	/* bytes were acknowledged after the socket was full */
	void (*write_space)(struct kproxy_sock *ks);
	/* the socket has connected, closed or failed */
	void (*changed)(struct kproxy_sock *ks);
};

/* A TCP socket that kproxy owns. */
struct kproxy_sock {
	/* Constant from attach to release. */
	struct sock *sk;
	const struct kproxy_sock_ops *ops;
	struct socket *socket;
	/* The original callbacks; under the socket's sk_callback_lock. */
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*error_report)(struct sock *sk);
};

/* Whether a borrowed socket is reset when it is given back. */
enum kproxy_sock_reset {
	KPROXY_SOCK_KEEP,
	/* if the program has closed it */
	KPROXY_SOCK_RESET_CLOSED,
	KPROXY_SOCK_RESET,
};

/* What a borrowed socket had before. Fields without a note are constant. */
struct kproxy_sock_loan {
	/* a reference to the file that keeps the socket open, until it is let go */
	struct file *file;
	/*
	 * Written by kproxy_sock_uncount(): the program has closed the socket,
	 * and that was seen before this grace period; the namespace is not held.
	 */
	bool alone;
	unsigned long grace;
	bool uncounted;
	gfp_t allocation;
	bool use_task_frag;
	bool urginline;
	int rcvlowat;
};

void kproxy_sock_exit(void);
int kproxy_sock_accept(const struct kproxy_sock *listener,
		       struct socket **client);
int kproxy_sock_create(struct net *net, int family, struct socket **socket);
int kproxy_sock_create_for(struct net *net, int family,
			   const struct sock *owner, struct socket **socket);
void kproxy_sock_delay_acks(struct sock *sk);
void kproxy_sock_ack_soon(struct sock *sk);
void kproxy_sock_attach_new(struct kproxy_sock *ks, struct socket *socket,
			    const struct kproxy_sock_ops *ops);
void kproxy_sock_attach_listener(struct kproxy_sock *ks, struct socket *socket,
				 const struct kproxy_sock_ops *ops);
void kproxy_sock_attach(struct kproxy_sock *ks, struct socket *socket,
			const struct kproxy_sock *from,
			const struct kproxy_sock_ops *ops);
void kproxy_sock_pass(struct kproxy_sock *from, struct kproxy_sock *to,
		      const struct kproxy_sock_ops *ops);
void kproxy_sock_detach(struct kproxy_sock *ks);
void kproxy_sock_close(struct kproxy_sock *ks);
void kproxy_sock_abort(struct kproxy_sock *ks);
void kproxy_sock_reset(struct socket *socket);
int kproxy_sock_borrow(struct kproxy_sock *ks, struct file *file,
		       const struct kproxy_sock_ops *ops,
		       struct kproxy_sock_loan *loan, const char **why);
bool kproxy_sock_disconnected(const struct sock *sk);
bool kproxy_sock_has_ulp(const struct sock *sk);
void kproxy_sock_release_callbacks(struct kproxy_sock *ks);
bool kproxy_sock_uncount(struct kproxy_sock *ks, struct kproxy_sock_loan *loan);
void kproxy_sock_quiet(struct kproxy_sock *ks);
void kproxy_sock_return(struct kproxy_sock *ks,
			struct kproxy_sock_loan *loan, u64 taken,
			enum kproxy_sock_reset reset);
void kproxy_sock_let_go(struct kproxy_sock *ks, struct kproxy_sock_loan *loan);
u32 kproxy_sock_unread(const struct sock *sk);
void kproxy_sock_read_done(struct sock *sk, u32 len);
u32 kproxy_sock_unacked(const struct sock *sk, bool fin);
bool kproxy_sock_acked(const struct sock *sk, unsigned long *when);
struct kproxy_sock *kproxy_sock_peer(const struct sock *sk, bool bound);
bool kproxy_sock_is_own_peer(const struct sock *sk);

#endif /* _KPROXY_SOCK_H */
