// SPDX-License-Identifier: GPL-2.0
/*
 * Admission counts the sessions of clients, for listeners that limit them. A
 * client is an IPv4 address, or the 64 bits of an IPv6 address that a host
 * can't choose freely. At most as many clients as there are sessions have one.
 * Clients without a session are remembered for two seconds, until their rate is
 * 0. Only the latest of them are kept, so that addresses made up by an attacker
 * cost a bounded amount of memory. The hash is keyed by a secret, so that
 * nobody can choose addresses that share a bucket.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "addr.h"
#include "admission.h"
#include "rate.h"
#include "shared.h"

/* Jiffies after which the rate of a client without a session is 0. */
#define REMEMBERED (2 * HZ)

/* Clients to forget before the lock is released. */
#define EXPIRE_BATCH 256

/* Identifies one client of one listener. */
struct client_key {
	u64 high;
	u64 low;
	u64 listener;
};

/* All under the lock of the admission that it is in. */
struct kproxy_client {
	struct client_key key;
	struct rhash_head node;
	struct kproxy_rate rate;
	unsigned int sessions;
	/* Without a session: list entry, and jiffies when the last ended. */
	struct list_head idle;
	unsigned long left;
};

static struct kmem_cache *client_cache;
static siphash_key_t client_secret;

static u32 client_hash(const void *data, u32 len, u32 seed)
{
	const struct client_key *key = data;

	return siphash_4u64(key->high, key->low, key->listener, seed,
			    &client_secret);
}

static const struct rhashtable_params client_params = {
	.key_len = sizeof_field(struct kproxy_client, key),
	.key_offset = offsetof(struct kproxy_client, key),
	.head_offset = offsetof(struct kproxy_client, node),
	.hashfn = client_hash,
	.automatic_shrinking = true,
};

/**
 * kproxy_admission_setup() - allocate what all namespaces share
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_admission_setup(void)
{
	get_random_bytes(&client_secret, sizeof(client_secret));
	client_cache = kmem_cache_create("kproxy_client",
					 sizeof(struct kproxy_client), 0,
					 SLAB_NO_MERGE | SLAB_ACCOUNT, NULL);
	return client_cache ? 0 : -ENOMEM;
}

/**
 * kproxy_admission_teardown() - free what all namespaces share
 *
 * Context: process, may sleep; no namespace has clients.
 */
void kproxy_admission_teardown(void)
{
	kmem_cache_destroy(client_cache);
}

static void client_key(struct client_key *key, u64 listener,
		       const union kproxy_addr *addr)
{
	struct in6_addr ip;

	kproxy_addr_mapped(addr, &ip);
	memcpy(&key->high, &ip.s6_addr32[0], sizeof(key->high));
	memcpy(&key->low, &ip.s6_addr32[2], sizeof(key->low));
	if (addr->sa.sa_family == AF_INET6)
		key->low = 0;
	key->listener = listener;
}

static void client_unlist(struct kproxy_admission *adm,
			  struct kproxy_client *client)
{
	list_del(&client->idle);
	adm->nr_idle--;
}

/* Clients are only looked up under the lock, so free the memory at once. */
static void client_forget(struct kproxy_admission *adm,
			  struct kproxy_client *client)
{
	client_unlist(adm, client);
	rhashtable_remove_fast(&adm->clients, &client->node, client_params);
	kmem_cache_free(client_cache, client);
}

static struct kproxy_client *client_oldest(struct kproxy_admission *adm)
{
	return list_first_entry_or_null(&adm->idle, struct kproxy_client, idle);
}

static struct kproxy_client *client_new(struct kproxy_admission *adm,
					const struct client_key *key,
					unsigned long now)
{
	struct kproxy_client *client;

	client = kmem_cache_zalloc(client_cache, GFP_NOWAIT | __GFP_NOWARN |
				   __GFP_ACCOUNT);
	if (!client)
		return NULL;
	client->key = *key;
	kproxy_rate_init(&client->rate, now);
	if (rhashtable_insert_fast(&adm->clients, &client->node,
				   client_params)) {
		kmem_cache_free(client_cache, client);
		return NULL;
	}
	return client;
}

/* 0 if a client may have one more session. */
static int client_may(struct kproxy_client *client,
		      const struct kproxy_client_limits *limits,
		      unsigned long now)
{
	if (limits->maxconn && client->sessions >= limits->maxconn)
		return -EUSERS;
	if (limits->rate && kproxy_rate_take(&client->rate, limits->rate, now))
		return -EDQUOT;
	return 0;
}

static struct kproxy_client *
client_enter(struct kproxy_admission *adm, const struct client_key *key,
	     const struct kproxy_client_limits *limits, unsigned long now)
{
	struct kproxy_client *client;
	bool known;
	int err;

	client = rhashtable_lookup_fast(&adm->clients, key, client_params);
	known = client;
	if (!known)
		client = client_new(adm, key, now);
	if (!client)
		return ERR_PTR(-ENOMEM);
	/* A new client is within any limit. */
	err = client_may(client, limits, now);
	if (err)
		return ERR_PTR(err);
	if (known && !client->sessions)
		client_unlist(adm, client);
	client->sessions++;
	return client;
}

/**
 * kproxy_admission_enter() - count a new session of a client
 * @adm: the namespace's admission
 * @listener: number of the listener that the client came to
 * @addr: the client's address
 * @limits: the client's limits, at least one of them set
 * @now: jiffies
 *
 * Context: process.
 * Return: the client, for kproxy_admission_leave(); -EUSERS if it has too many
 * sessions; -EDQUOT if they come too fast; -ENOMEM. On error, nothing is counted.
 */
struct kproxy_client *
kproxy_admission_enter(struct kproxy_admission *adm, u64 listener,
		       const union kproxy_addr *addr,
		       const struct kproxy_client_limits *limits,
		       unsigned long now)
{
	struct kproxy_client *client;
	struct client_key key;

	client_key(&key, listener, addr);
	spin_lock(&adm->lock);
	client = client_enter(adm, &key, limits, now);
	spin_unlock(&adm->lock);
	return client;
}

/**
 * kproxy_admission_leave() - uncount a session that has ended
 * @adm: the namespace's admission
 * @client: the client; no longer the caller's
 * @now: jiffies
 *
 * Context: process.
 */
void kproxy_admission_leave(struct kproxy_admission *adm,
			    struct kproxy_client *client, unsigned long now)
{
	spin_lock(&adm->lock);
	if (!--client->sessions) {
		client->left = now;
		list_add_tail(&client->idle, &adm->idle);
		if (++adm->nr_idle > KPROXY_CLIENTS_IDLE_MAX)
			client_forget(adm, client_oldest(adm));
		queue_delayed_work(kproxy_wq, &adm->expire, HZ);
	}
	spin_unlock(&adm->lock);
}

/**
 * kproxy_admission_expire() - forget clients that left long ago
 * @adm: the namespace's admission
 * @now: jiffies
 *
 * Context: process.
 * Return: true if clients without a session are left.
 */
bool kproxy_admission_expire(struct kproxy_admission *adm, unsigned long now)
{
	struct kproxy_client *client;
	unsigned int n;
	bool left;

	do {
		spin_lock(&adm->lock);
		for (n = 0; n < EXPIRE_BATCH; n++) {
			client = client_oldest(adm);
			if (!client ||
			    time_before(now, client->left + REMEMBERED))
				break;
			client_forget(adm, client);
		}
		left = adm->nr_idle;
		spin_unlock(&adm->lock);
		cond_resched();
	} while (n == EXPIRE_BATCH);
	return left;
}

static void admission_expire_work(struct work_struct *work)
{
	struct kproxy_admission *adm =
		container_of(to_delayed_work(work), struct kproxy_admission,
			     expire);

	if (kproxy_admission_expire(adm, jiffies))
		queue_delayed_work(kproxy_wq, &adm->expire, HZ);
}

/**
 * kproxy_admission_init() - set up a namespace's table of clients
 * @adm: its admission
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int kproxy_admission_init(struct kproxy_admission *adm)
{
	spin_lock_init(&adm->lock);
	INIT_LIST_HEAD(&adm->idle);
	adm->nr_idle = 0;
	INIT_DELAYED_WORK(&adm->expire, admission_expire_work);
	return rhashtable_init(&adm->clients, &client_params);
}

static void client_free(void *client, void *arg)
{
	kmem_cache_free(client_cache, client);
}

/**
 * kproxy_admission_destroy() - free a namespace's table of clients
 * @adm: its admission; no client has a session
 *
 * Context: process, may sleep.
 */
void kproxy_admission_destroy(struct kproxy_admission *adm)
{
	disable_delayed_work_sync(&adm->expire);
	rhashtable_free_and_destroy(&adm->clients, client_free, NULL);
}
