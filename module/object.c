// SPDX-License-Identifier: GPL-2.0
/*
 * What the configuration is made of, and in which views of it something is. A
 * view has changes that are not made yet: an object that it adds is in the lists
 * from then on, but found in that view only; one that it changes or deletes stays
 * what it is for all others. Each view knows what it makes of an object by a
 * struct kproxy_next there. There are two at most: a transaction's, and that of a
 * request of somebody else's.
 *
 * So nothing depends on a mode: who looks for something says in which view.
 */
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/string.h>

#include "netns.h"
#include "object.h"
#include "quota.h"

/**
 * kproxy_next() - what a view makes of something
 * @states: where it is, the configuration lock held
 * @view: the view
 *
 * Return: NULL if it stays what it is.
 */
struct kproxy_next *kproxy_next(const struct kproxy_states *states,
				const struct kproxy_view *view)
{
	struct kproxy_next *next;

	/* Who builds a choice of what is current has another lock. */
	if (!view)
		return NULL;
	next = states->next;
	while (next && next->view != view)
		next = next->other;
	return next;
}

/**
 * kproxy_in_view() - whether something is in a view
 * @states: where it is, the configuration lock held
 * @view: the view
 *
 * Return: true if the configuration would have it with the view's changes.
 */
bool kproxy_in_view(const struct kproxy_states *states,
		    const struct kproxy_view *view)
{
	const struct kproxy_next *next = kproxy_next(states, view);

	return next ? !next->gone : states->now;
}

/**
 * kproxy_known() - whether who has a view knows of something
 * @states: where it is, the configuration lock held
 * @view: the view
 *
 * Return: true if it is in the view, or deleted by it.
 */
bool kproxy_known(const struct kproxy_states *states,
		  const struct kproxy_view *view)
{
	return states->now || kproxy_next(states, view);
}

/**
 * kproxy_next_add() - have a view make something else of it
 * @states: where it is, the configuration lock held
 * @next: what it will be
 * @view: the view, which has made nothing of it yet
 */
void kproxy_next_add(struct kproxy_states *states, struct kproxy_next *next,
		     struct kproxy_view *view)
{
	next->view = view;
	next->other = states->next;
	states->next = next;
}

/**
 * kproxy_next_del() - a view makes nothing of it any more
 * @states: where it is, the configuration lock held
 * @next: what it would have been, or is now
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
 * kproxy_object_init() - make an object that no view has yet
 * @obj: the object, zeroed; it is counted in the quota of objects
 * @kn: the namespace's root, its lock held
 * @kind: what it is
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
 * kproxy_object_link() - let an object be found in those views that have it
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
 * kproxy_object_unlink() - let an object be found no more
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
 * @kind: what it is
 * @name: the name
 * @view: where to look
 *
 * One that the view deletes is found, too: its name stays in use until then.
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
		/* Somebody else may have been faster with the name. */
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
