// SPDX-License-Identifier: GPL-2.0
/*
 * Whose a socket is: the memory cgroup that pays for it, the cgroup whose
 * programs and rules apply to it, and its security label. The kernel takes all
 * three from the task that makes a socket. A worker belongs to the root cgroup
 * and has the kernel's label, so that no policy of the container that configured
 * kproxy would apply to what it makes.
 *
 * An owner is therefore a socket, and a socket that a worker makes gets the three
 * of its owner before anybody else knows it. A listening socket is made by the
 * task that adds its address and hands all of them on to what it accepts: the
 * owner of a connection to a server is the client's socket. An upstream makes
 * connections without a client, too; it keeps a socket of its own for that, which
 * is made with it, can neither send nor receive and only says who the owner is.
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
	/* It is only read, but the kernel's function does not say so. */
	return sock_cgroup_ptr((struct sock_cgroup_data *)&sk->sk_cgrp_data);
}

static void give_cgroup(struct sock *sk, const struct sock *owner)
{
	struct cgroup *old = owner_cgroup(sk);

	/*
	 * As cgroup_sk_clone() and cgroup_sk_free(), which are not exported. The
	 * owner's cgroup may have been removed since; its socket keeps it.
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

/* What the security module calls it by; 0 without one that labels packets. */
static u32 sock_secid(const struct sock *sk)
{
	struct flowi_common flow = {};

	security_sk_classify_flow(sk, &flow);
	return flow.flowic_secid;
}

/* A socket of the task's own, as the kernel would label it. */
static int label_as_task(struct sock *sk, struct net *net)
{
	struct socket *model;
	int err;

	/* For this moment it holds the namespace, as the task does. */
	err = __sock_create(net, sk->sk_family, SOCK_STREAM, IPPROTO_TCP, &model,
			    0);
	if (err)
		return err;
	security_sk_clone(model->sk, sk);
	sock_release(model);
	return 0;
}

/**
 * kproxy_owner_label() - label a socket as the calling task's
 * @sk: a new TCP socket of the kernel's that the task has just made
 *
 * The task has to be allowed to make a socket of that kind, by its security
 * module and by the programs of its cgroup. It is asked by making one, from which
 * the label is taken. What such a program sets on a socket is not taken over.
 *
 * Context: process, of a task that configures; may sleep.
 * Return: 0, or why the task may not have a socket.
 */
int kproxy_owner_label(struct sock *sk)
{
	return label_as_task(sk, sock_net(sk));
}

/**
 * kproxy_owner_new() - remember the calling task as an owner
 * @net: the namespace that it configures
 *
 * Context: process, of a task that configures; may sleep.
 * Return: the owner, for kproxy_owner_free(), or an error pointer.
 */
struct sock *kproxy_owner_new(struct net *net)
{
	struct sock *owner;
	int err;

	/* In no namespace that could end: it has no use for one. */
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
 * kproxy_owner_give() - give a socket to an owner
 * @sk: a TCP socket that has just been made; nobody else knows it
 * @owner: a socket of the owner's, which stays for the time of the call
 *
 * Context: process.
 */
void kproxy_owner_give(struct sock *sk, const struct sock *owner)
{
	kproxy_memcg_give(sk, owner);
	give_cgroup(sk, owner);
	security_sk_clone(owner, sk);
}

/**
 * kproxy_owner_same() - whether two sockets have the same owner
 * @a: one
 * @b: the other
 *
 * Context: any.
 * Return: true if what applies to one applies to the other.
 */
bool kproxy_owner_same(const struct sock *a, const struct sock *b)
{
	return kproxy_memcg_same(a, b) && same_cgroup(a, b) &&
	       sock_secid(a) == sock_secid(b);
}
