/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_OBJECT_H
#define _KPROXY_OBJECT_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

struct kproxy_net;
struct kproxy_object;
struct kproxy_quota;
struct netlink_ext_ack;

/*
 * The configuration with a list of uncommitted changes applied. A NULL view is
 * the current configuration.
 */
struct kproxy_view {
	/* Constant. */
	struct kproxy_net *kn;
	/* A single request, whose sender knows which object a refusal means. */
	bool single;

	/* Under the configuration lock: struct kproxy_change, oldest first. */
	struct list_head changes;
	/* which address of the last request was refused, or KPROXY_NO_ADDRESS */
	unsigned int bad;
};

#define KPROXY_NO_ADDRESS UINT_MAX

/* The pending change of a view; embedded in the details of the change. */
struct kproxy_next {
	struct kproxy_view *view;
	/* the pending change of another view */
	struct kproxy_next *other;
	/* deleted in this view */
	bool gone;
};

/* Whether something is configured, and its pending changes; configuration lock. */
struct kproxy_states {
	/* part of the current configuration */
	bool now;
	/* at most one for each view */
	struct kproxy_next *next;
};

/* A kind of objects. */
struct kproxy_object_kind {
	const char *name;
	/* Free an object without references. Any context. */
	void (*free)(struct kproxy_object *obj);
};

/* The common part of listeners and upstreams. */
struct kproxy_object {
	/* Constant. */
	const struct kproxy_object_kind *kind;
	struct kproxy_net *kn;
	/* held; NULL for no limits */
	struct kproxy_quota *quota;
	u64 id;
	char name[KPROXY_NAME_MAX + 1];

	/*
	 * Under the configuration lock. Both lists contain the objects of all
	 * views; @node is in the order of the ids.
	 */
	struct list_head node;
	struct hlist_node by_name;
	struct kproxy_states states;

	/* What each session writes, on one line. */
	refcount_t refs ____cacheline_aligned_in_smp;
	/* a listener's live sessions, and clients that are being accepted */
	atomic_t sessions;
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
