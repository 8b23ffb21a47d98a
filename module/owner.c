// SPDX-License-Identifier: GPL-2.0
/*
 * A socket's owner is what the kernel takes from the task that creates it. This
 * is the memory cgroup that is charged, the cgroup whose rules and programs
 * apply, and the security label. A worker belongs to the root cgroup and has
 * the kernel's label. None of the policies for the container that configured
 * kproxy would therefore apply to a worker's socket.
 *
 * An owner is represented by a socket. A socket that a worker creates takes all
 * three from its owner before anybody else can see it. The task that adds a
 * listener creates the listening socket, and accepted sockets inherit from
 * that. The owner of a session's connection to its server is the client's
 * socket. Checks and idle connections have no client. For them each upstream
 * keeps a socket that can neither send nor receive, created by the task that
 * added the upstream.
 */
#include <linux/cgroup.h>
#include <linux/in.h>
#include <linux/net.h>
#include <linux/security.h>
#include <net/flow.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "memcg.h"
#include "owner.h"

static struct proto owner_proto = {
	.name = "KPROXY",
	.obj_size = sizeof(struct sock),
};

#ifdef CONFIG_SOCK_CGROUP_DATA
static struct cgroup *owner_cgroup(const struct sock *sk)
{
	/* sock_cgroup_ptr() reads only, but its argument is not const. */
	return sock_cgroup_ptr((struct sock_cgroup_data *)&sk->sk_cgrp_data);
}

static void give_cgroup(struct sock *sk, const struct sock *owner)
{
	struct cgroup *old = owner_cgroup(sk);

	/*
	 * Like cgroup_sk_clone() and cgroup_sk_free(), which are not exported.
	 * The owner's cgroup may have been removed; the owner's references keep
	 * it.
	 */
	cgroup_get(owner_cgroup(owner));
	cgroup_bpf_get(owner_cgroup(owner));
	sk->sk_cgrp_data = owner->sk_cgrp_data;
	cgroup_bpf_put(old);
	cgroup_put(old);
}

static bool same_cgroup(const struct sock *a, const struct sock *b)
{
	if (owner_cgroup(a) != owner_cgroup(b))
		return false;
#ifdef CONFIG_CGROUP_NET_CLASSID
	if (a->sk_cgrp_data.classid != b->sk_cgrp_data.classid)
		return false;
#endif
#ifdef CONFIG_CGROUP_NET_PRIO
	if (a->sk_cgrp_data.prioidx != b->sk_cgrp_data.prioidx)
		return false;
#endif
	return true;
}
#else
static void give_cgroup(struct sock *sk, const struct sock *owner)
{
}

static bool same_cgroup(const struct sock *a, const struct sock *b)
{
	return true;
}
#endif

/* The security module's number for the label, 0 if it labels no packets. */
static u32 sock_secid(const struct sock *sk)
{
	struct flowi_common flow = {};

	security_sk_classify_flow(sk, &flow);
	return flow.flowic_secid;
}

/* Copy the label from a temporary socket that the task creates. */
static int label_as_task(struct sock *sk, struct net *net)
{
	struct socket *model;
	int err;

	/* Holds the namespace until sock_release(), as the task does anyway. */
	err = __sock_create(net, sk->sk_family, SOCK_STREAM, IPPROTO_TCP, &model,
			    0);
	if (err)
		return err;
	security_sk_clone(model->sk, sk);
	sock_release(model);
	return 0;
}

/**
 * kproxy_owner_label() - label a kernel socket as the calling task's
 * @sk: a new kernel TCP socket that the task has just created
 *
 * Creates a socket as the task would, so that the security module and the
 * programs of the task's cgroup can refuse it, and copies its label. Other
 * attributes that such a program sets on a socket are not copied.
 *
 * Context: process, of a configuring task; may sleep.
 * Return: 0, or the error with which the task is refused a socket.
 */
int kproxy_owner_label(struct sock *sk)
{
	return label_as_task(sk, sock_net(sk));
}

/**
 * kproxy_owner_new() - record the calling task as an owner
 * @net: the namespace that it configures
 *
 * Context: process, of a configuring task; may sleep.
 * Return: the owner, for kproxy_owner_free(), or an error pointer.
 */
struct sock *kproxy_owner_new(struct net *net)
{
	struct sock *owner;
	int err;

	/* It uses no namespace; the initial one never ends. */
	owner = sk_alloc(&init_net, PF_INET, GFP_KERNEL_ACCOUNT, &owner_proto,
			 1);
	if (!owner)
		return ERR_PTR(-ENOMEM);
	err = label_as_task(owner, net);
	if (err) {
		sk_free(owner);
		return ERR_PTR(err);
	}
	return owner;
}

/**
 * kproxy_owner_free() - forget an owner
 * @owner: from kproxy_owner_new()
 *
 * Context: any.
 */
void kproxy_owner_free(struct sock *owner)
{
	sk_free(owner);
}

/**
 * kproxy_owner_give() - make a new socket belong to an owner
 * @sk: a new TCP socket that nobody else can see yet
 * @owner: a socket of the owner, which is not freed during the call
 *
 * Context: process.
 */
void kproxy_owner_give(struct sock *sk, const struct sock *owner)
{
	/* It has received nothing, so that this cannot fail. */
	kproxy_memcg_give(sk, owner);
	give_cgroup(sk, owner);
	security_sk_clone(owner, sk);
}

/**
 * kproxy_owner_same() - check whether two sockets have the same owner
 * @a: one
 * @b: the other
 *
 * Context: any.
 * Return: true if the same policies apply to both.
 */
bool kproxy_owner_same(const struct sock *a, const struct sock *b)
{
	return kproxy_memcg_same(a, b) && same_cgroup(a, b) &&
	       sock_secid(a) == sock_secid(b);
}
