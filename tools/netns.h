/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_NETNS_H
#define KPROXY_NETNS_H

/**
 * netns_enter() - go to a named network namespace
 * @name: as "ip netns" knows it
 *
 * Return: a descriptor that netns_leave() takes, or -1 with errno set
 */
int netns_enter(const char *name);

/* Go back to where netns_enter() came from. Return: 0, or -1 with errno set */
int netns_leave(int home);

#endif
