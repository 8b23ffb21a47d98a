// SPDX-License-Identifier: GPL-2.0
/* Where dumps go on, when objects have numbers that do not fit into 32 bits. */
#include <kunit/test.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <uapi/linux/kproxy.h>

#include "../netlink-gen.h"
#include "../netns.h"
#include "../root.h"
#include "../server.h"
#include "../server-change.h"
#include "../transaction.h"
#include "../upstream-change.h"
#include "../upstream.h"

#define UPSTREAMS 24
#define SERVERS 2
/* How many objects have numbers below 2^32. */
#define BELOW 30

struct fixture {
	struct kproxy_net *kn;
	u64 last_object;
	struct genl_family family;
	struct genlmsghdr genlhdr;
	struct nlmsghdr nlhdr;
	struct nlattr *attrs[KPROXY_A_UPSTREAM_MAX + 1];
	struct genl_dumpit_info info;
	struct netlink_callback cb;
	/* times that each was told of */
	unsigned int told[UPSTREAMS];
};

/* A request of a socket that has no transaction. */
static struct kproxy_view *begin(struct kunit *test, struct kproxy_net *kn,
				 struct kproxy_view *own)
{
	return kproxy_transaction_enter(kn, (const struct sock *)test, own);
}

static void add_objects(struct kunit *test, struct kproxy_net *kn)
{
	struct kproxy_upstream_options up_options;
	struct kproxy_server_options options;
	union kproxy_addr addr = { .v4.sin_family = AF_INET };
	struct kproxy_view own, *view;
	struct kproxy_upstream *up;
	unsigned int i, n;
	char name[16];
	int err;

	kproxy_upstream_options_init(&up_options);
	kproxy_options_init(kproxy_server_numbers, &options);
	for (i = 0; i < UPSTREAMS; i++) {
		snprintf(name, sizeof(name), "kunit%u", i);
		view = begin(test, kn, &own);
		err = kproxy_upstream_add(view, name, &up_options, NULL);
		KUNIT_EXPECT_EQ(test, 0,
				kproxy_transaction_leave(view, err, NULL));
		up = kproxy_upstream_find(kn, name, NULL);
		if (!up)
			return;
		for (n = 0; n < SERVERS; n++) {
			addr.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
			addr.v4.sin_port = htons(1 + n);
			view = begin(test, kn, &own);
			err = kproxy_server_add(view, up, &addr, &options, NULL);
			err = kproxy_transaction_leave(view, err, NULL);
			KUNIT_EXPECT_EQ(test, 0, err);
		}
	}
}

static int dump_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int err;

	if (!f)
		return -ENOMEM;
	test->priv = f;
	f->kn = kproxy_net(&init_net);
	mutex_lock(&f->kn->lock);
	err = kproxy_net_setup(f->kn);
	if (err) {
		mutex_unlock(&f->kn->lock);
		return err;
	}
	f->last_object = f->kn->last_object;
	f->kn->last_object = U32_MAX - BELOW;
	add_objects(test, f->kn);
	mutex_unlock(&f->kn->lock);
	f->info.info = (struct genl_info){
		.family = &f->family,
		.nlhdr = &f->nlhdr,
		.genlhdr = &f->genlhdr,
		.attrs = f->attrs,
	};
	genl_info_net_set(&f->info.info, &init_net);
	f->cb.data = &f->info;
	return 0;
}

static void dump_exit(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct kproxy_view own, *view;
	struct kproxy_upstream *up;
	unsigned int i;
	char name[16];
	int err;

	mutex_lock(&f->kn->lock);
	for (i = 0; i < UPSTREAMS; i++) {
		snprintf(name, sizeof(name), "kunit%u", i);
		up = kproxy_upstream_find(f->kn, name, NULL);
		if (!up)
			continue;
		view = begin(test, f->kn, &own);
		err = kproxy_upstream_del(view, up, NULL);
		KUNIT_EXPECT_EQ(test, 0,
				kproxy_transaction_leave(view, err, NULL));
	}
	f->kn->last_object = f->last_object;
	mutex_unlock(&f->kn->lock);
}

/* Count what a part has. Return: how many objects. */
static unsigned int count(struct kunit *test, const struct sk_buff *skb,
			  int name_attr)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)skb->data;
	struct fixture *f = test->priv;
	const struct nlattr *name;
	int left = skb->len;
	unsigned int i, n;

	for (n = 0; nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left), n++) {
		name = nlmsg_find_attr(nlh, GENL_HDRLEN, name_attr);
		KUNIT_ASSERT_NOT_NULL(test, name);
		if (sscanf(nla_data(name), "kunit%u", &i) == 1 && i < UPSTREAMS)
			f->told[i]++;
	}
	return n;
}

/* All of a dump, in parts between which the configuration changes. */
static void dump_all(struct kunit *test,
		     int (*dumpit)(struct sk_buff *skb,
				   struct netlink_callback *cb),
		     int name_attr, unsigned int each)
{
	struct fixture *f = test->priv;
	unsigned int parts = 0, i;
	struct sk_buff *skb;
	int err;

	do {
		skb = nlmsg_new(1024, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		err = dumpit(skb, &f->cb);
		if (!count(test, skb, name_attr) && err)
			KUNIT_FAIL(test, "no object fits");
		kfree_skb(skb);
		mutex_lock(&f->kn->lock);
		kproxy_net_changed(f->kn);
		mutex_unlock(&f->kn->lock);
		parts++;
	} while (err == -EMSGSIZE && parts < UPSTREAMS * SERVERS);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_GT(test, parts, 3);
	for (i = 0; i < UPSTREAMS; i++)
		KUNIT_EXPECT_EQ_MSG(test, f->told[i], each, "upstream %u", i);
}

static void upstreams_around_the_wrap(struct kunit *test)
{
	dump_all(test, kproxy_nl_upstream_get_dumpit, KPROXY_A_UPSTREAM_NAME, 1);
}

static void servers_around_the_wrap(struct kunit *test)
{
	dump_all(test, kproxy_nl_server_get_dumpit, KPROXY_A_SERVER_UPSTREAM,
		 SERVERS);
}

static struct kunit_case dump_cases[] = {
	KUNIT_CASE(upstreams_around_the_wrap),
	KUNIT_CASE(servers_around_the_wrap),
	{}
};

static struct kunit_suite dump_suite = {
	.name = "kproxy_dump",
	.init = dump_init,
	.exit = dump_exit,
	.test_cases = dump_cases,
};

kunit_test_suite(dump_suite);
