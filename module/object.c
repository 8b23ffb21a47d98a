// SPDX-License-Identifier: GPL-2.0
/*
 * Named objects of the configuration, and views of it. A view holds changes that
 * are not committed yet. An object added by a view is linked into the lists at
 * once, but look-ups find it in that view only. An object that a view changes or
 * deletes stays as it is for everybody else; the view's plan for it is a struct
 * kproxy_next at the object. An object has two of these at most: one of the
 * transaction's view, and one of a single request by another socket.
 *
 * No look-up depends on a mode: each caller passes the view that it means.
 */
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/string.h>

#include "object.h"
#include "quota.h"
#include "root.h"

/**
 * kproxy_next() - look up the pending change of a view
 * @states: the state to look at, the configuration lock held
 * @view: the view
 *
 * Return: the pending change; NULL if the view leaves it as it is.
 */
struct kproxy_next *kproxy_next(const struct kproxy_states *states,
				const struct kproxy_view *view)
{
	struct kproxy_next *next;

	/* A build of the current choice holds the choice's lock only. */
	if (!view)
		return NULL;
	next = states->next;
	while (next && next->view != view)
		next = next->other;
	return next;
}

/**
 * kproxy_in_view() - whether a view contains an object
 * @states: the state of the object, the configuration lock held
 * @view: the view
 *
 * Return: true if the object would exist with the view's changes committed.
 */
bool kproxy_in_view(const struct kproxy_states *states,
		    const struct kproxy_view *view)
{
	const struct kproxy_next *next = kproxy_next(states, view);

	return next ? !next->gone : states->now;
}

/**
 * kproxy_known() - whether look-ups in a view find an object
 * @states: the state of the object, the configuration lock held
 * @view: the view
 *
 * Return: true if the view contains the object or deletes it.
 */
bool kproxy_known(const struct kproxy_states *states,
		  const struct kproxy_view *view)
{
	return states->now || kproxy_next(states, view);
}

/**
 * kproxy_next_add() - attach the pending change of a view
 * @states: the state to be changed, the configuration lock held
 * @next: the pending change
 * @view: the view, which has no pending change of it yet
 */
void kproxy_next_add(struct kproxy_states *states, struct kproxy_next *next,
		     struct kproxy_view *view)
{
	next->view = view;
	next->other = states->next;
	states->next = next;
}

/**
 * kproxy_next_del() - detach a pending change
 * @states: the state, the configuration lock held
 * @next: its pending change, committed or dropped
 */
void kproxy_next_del(struct kproxy_states *states, struct kproxy_next *next)
{
	struct kproxy_next **at = &states->next;

	while (*at != next)
		at = &(*at)->other;
	*at = next->other;
}

static struct hlist_head *name_head(const struct kproxy_net *kn,
				    const char *name)
{
	u32 key = jhash(name, strlen(name), 0);

	return &kn->names[hash_32(key, KPROXY_NAME_BITS)];
}

/**
 * kproxy_object_init() - initialize an object that is in no view yet
 * @obj: the object, zeroed and already charged to the quota of objects
 * @kn: the namespace's root, its lock held
 * @kind: its kind
 * @name: a valid name
 */
void kproxy_object_init(struct kproxy_object *obj, struct kproxy_net *kn,
			const struct kproxy_object_kind *kind,
			const char *name)
{
	lockdep_assert_held(&kn->lock);
	obj->kind = kind;
	obj->kn = kn;
	obj->quota = kproxy_quota_hold(kn->quota);
	obj->id = ++kn->last_object;
	strscpy(obj->name, name, sizeof(obj->name));
	refcount_set(&obj->refs, 1);
}

/**
 * kproxy_object_link() - make an object visible to the views that contain it
 * @obj: the object, its namespace's lock held
 * @list: the objects of its kind
 */
void kproxy_object_link(struct kproxy_object *obj, struct list_head *list)
{
	lockdep_assert_held(&obj->kn->lock);
	list_add_tail(&obj->node, list);
	hlist_add_head(&obj->by_name, name_head(obj->kn, obj->name));
}

/**
 * kproxy_object_unlink() - hide an object from all look-ups
 * @obj: the object, its namespace's lock held
 */
void kproxy_object_unlink(struct kproxy_object *obj)
{
	lockdep_assert_held(&obj->kn->lock);
	obj->states.now = false;
	list_del(&obj->node);
	hlist_del(&obj->by_name);
}

/**
 * kproxy_object_find() - an object by its name
 * @kn: the namespace's root, its lock held
 * @kind: its kind
 * @name: the name
 * @view: the view to look in
 *
 * An object that the view deletes is found, too, because its name stays in use
 * until the commit.
 *
 * Return: the object, not held, or NULL.
 */
struct kproxy_object *kproxy_object_find(struct kproxy_net *kn,
					 const struct kproxy_object_kind *kind,
					 const char *name,
					 const struct kproxy_view *view)
{
	struct kproxy_object *obj, *found = NULL;

	lockdep_assert_held(&kn->lock);
	if (!kn->used)
		return NULL;
	hlist_for_each_entry(obj, name_head(kn, name), by_name) {
		if (obj->kind != kind || strcmp(obj->name, name) ||
		    !kproxy_known(&obj->states, view))
			continue;
		found = obj;
		/* Another socket may have committed an object of this name. */
		if (obj->states.now)
			break;
	}
	return found;
}

/**
 * kproxy_object_hold() - take a reference
 * @obj: the object, held already or found under its namespace's lock
 *
 * Context: any.
 */
void kproxy_object_hold(struct kproxy_object *obj)
{
	refcount_inc(&obj->refs);
}

/**
 * kproxy_object_put() - drop a reference
 * @obj: the object
 *
 * Context: any.
 */
void kproxy_object_put(struct kproxy_object *obj)
{
	if (!refcount_dec_and_test(&obj->refs))
		return;
	kproxy_quota_uncharge(obj->quota, KPROXY_QUOTA_OBJECTS, 1);
	kproxy_quota_put(obj->quota);
	obj->kind->free(obj);
}
