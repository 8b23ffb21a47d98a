// SPDX-License-Identifier: GPL-2.0
/* The root of a network namespace; netns.c sets it up and takes it down. */
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "root.h"

unsigned int kproxy_net_id __read_mostly;

/**
 * kproxy_net() - what kproxy has in a namespace
 * @net: the namespace, held by the caller
 *
 * Context: any.
 * Return: the root; it lives as long as the namespace and the module.
 */
struct kproxy_net *kproxy_net(struct net *net)
{
	return net_generic(net, kproxy_net_id);
}

/**
 * kproxy_net_changed() - note that the configuration has changed
 * @kn: the namespace's root, its lock held
 */
void kproxy_net_changed(struct kproxy_net *kn)
{
	lockdep_assert_held(&kn->lock);
	kn->changes++;
}
