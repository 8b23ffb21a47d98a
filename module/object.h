/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_OBJECT_H
#define _KPROXY_OBJECT_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

struct kproxy_net;
struct kproxy_object;
struct kproxy_quota;
struct netlink_ext_ack;

/*
 * The configuration as it will be with some changes that only those see who have
 * this view. NULL is the configuration as it is.
 */
struct kproxy_view {
	/* Constant. */
	struct kproxy_net *kn;
	/* One request is all of it: its sender knows what a refusal is about. */
	bool single;

	/* Under the configuration lock: struct kproxy_change, as they came. */
	struct list_head changes;
	/* of a single request: which of its addresses was refused, if one was */
	unsigned int bad;
};

#define KPROXY_NO_ADDRESS UINT_MAX

/* What a view will make of something; embedded in what tells the details. */
struct kproxy_next {
	struct kproxy_view *view;
	/* what others make of it */
	struct kproxy_next *other;
	/* it will not be there any more */
	bool gone;
};

/* Where something is, and what it will be. Under the configuration lock. */
struct kproxy_states {
	/* in the configuration */
	bool now;
	/* one for each view that has a change of it */
	struct kproxy_next *next;
};

/* What objects of a kind have in common. */
struct kproxy_object_kind {
	const char *name;
	/* Free an object that nobody refers to. Any context. */
	void (*free)(struct kproxy_object *obj);
};

/* A listener or an upstream, as the configuration has it. */
struct kproxy_object {
	/* Constant. */
	const struct kproxy_object_kind *kind;
	struct kproxy_net *kn;
	/* held; NULL for no limits */
	struct kproxy_quota *quota;
	u64 id;
	char name[KPROXY_NAME_MAX + 1];

	refcount_t refs;

	/*
	 * Under the configuration lock. Both lists have the objects of all
	 * views; the first one is in the order of the ids.
	 */
	struct list_head node;
	struct hlist_node by_name;
	struct kproxy_states states;
};

struct kproxy_next *kproxy_next(const struct kproxy_states *states,
				const struct kproxy_view *view);
bool kproxy_in_view(const struct kproxy_states *states,
		    const struct kproxy_view *view);
bool kproxy_known(const struct kproxy_states *states,
		  const struct kproxy_view *view);
void kproxy_next_add(struct kproxy_states *states, struct kproxy_next *next,
		     struct kproxy_view *view);
void kproxy_next_del(struct kproxy_states *states, struct kproxy_next *next);

void kproxy_object_init(struct kproxy_object *obj, struct kproxy_net *kn,
			const struct kproxy_object_kind *kind,
			const char *name);
void kproxy_object_link(struct kproxy_object *obj, struct list_head *list);
void kproxy_object_unlink(struct kproxy_object *obj);
struct kproxy_object *kproxy_object_find(struct kproxy_net *kn,
					 const struct kproxy_object_kind *kind,
					 const char *name,
					 const struct kproxy_view *view);
void kproxy_object_hold(struct kproxy_object *obj);
void kproxy_object_put(struct kproxy_object *obj);

#endif /* _KPROXY_OBJECT_H */
