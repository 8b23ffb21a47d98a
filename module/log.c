// SPDX-License-Identifier: GPL-2.0
/*
 * The log of finished sessions: for each namespace and CPU a ring of records,
 * which the kernel's relay keeps and lets readers map. The format is that of
 * kproxy_log.h. Nothing waits for a reader, and a reader needs no system call.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/relay.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <uapi/linux/kproxy.h>
#include <uapi/linux/kproxy_log.h>

#include "compat.h"
#include "listener.h"
#include "log.h"
#include "session.h"
#include "upstream.h"

static unsigned int log_records = 256;
module_param(log_records, uint, 0444);
MODULE_PARM_DESC(log_records,
		 "finished sessions kept for each CPU and network namespace, 0 for no log");

/* No more than 4 MiB for each CPU. */
#define RECORDS_MAX 16384
/* Relay wants the ring in parts; a reader does not see them. */
#define PARTS 2

struct kproxy_log {
	struct rchan *chan;
	struct dentry *dir;
	/* of one ring; constant */
	u32 size;
	/* number of the last record; its own CPU's */
	u64 __percpu *last;
};

static struct dentry *log_root;

/*
 * debugfs' usual protection of files that go away knows no mmap. It is not
 * needed: relay's file operations stay, and hold the buffer while it is open.
 */
static struct dentry *create_file(const char *name, struct dentry *parent,
				  umode_t mode, struct rchan_buf *buf,
				  int *is_global)
{
	return debugfs_create_file_unsafe(name, 0400, parent, buf,
					  &relay_file_operations);
}

static int remove_file(struct dentry *dentry)
{
	debugfs_remove(dentry);
	return 0;
}

/* The oldest records make room, whether they were read or not. */
static int start_part(KPROXY_SUBBUF_START_ARGS)
{
	return 1;
}

static const struct rchan_callbacks callbacks = {
	.create_buf_file = create_file,
	.remove_buf_file = remove_file,
	.subbuf_start = start_part,
};

/**
 * kproxy_log_init() - make the folder of all logs
 *
 * Context: process, may sleep.
 */
void kproxy_log_init(void)
{
	BUILD_BUG_ON(sizeof(struct kproxy_log_record) != 256);
	log_root = debugfs_create_dir(KPROXY_LOG_FOLDER, NULL);
}

/**
 * kproxy_log_exit() - remove that folder
 *
 * Context: process, may sleep.
 */
void kproxy_log_exit(void)
{
	debugfs_remove(log_root);
}

/**
 * kproxy_log_open() - begin the log of a namespace
 * @net: the namespace
 *
 * Context: process, may sleep.
 * Return: the log, for kproxy_log_close(); NULL when there shall be none or
 * memory is short.
 */
struct kproxy_log *kproxy_log_open(const struct net *net)
{
	unsigned int records = min(log_records, RECORDS_MAX);
	struct kproxy_log *log;
	char name[16];
	size_t part;

	if (!records)
		return NULL;
	log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);
	if (!log)
		return NULL;
	log->last = alloc_percpu_gfp(u64, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!log->last)
		goto err_log;
	part = PAGE_ALIGN(DIV_ROUND_UP(records, PARTS) *
			  sizeof(struct kproxy_log_record));
	log->size = PARTS * part;
	snprintf(name, sizeof(name), "%u", net->ns.inum);
	log->dir = debugfs_create_dir(name, log_root);
	log->chan = relay_open(KPROXY_LOG_RING, log->dir, part, PARTS,
			       &callbacks, NULL);
	if (!log->chan)
		goto err_dir;
	/* Last, so that a reader who finds it finds all. */
	debugfs_create_u32(KPROXY_LOG_SIZE, 0400, log->dir, &log->size);
	return log;

err_dir:
	debugfs_remove(log->dir);
	free_percpu(log->last);
err_log:
	kfree(log);
	return NULL;
}

/**
 * kproxy_log_close() - end a log
 * @log: the log, to which nobody writes; may be NULL
 *
 * Who has mapped it keeps what there was.
 *
 * Context: process, may sleep.
 */
void kproxy_log_close(struct kproxy_log *log)
{
	if (!log)
		return;
	relay_close(log->chan);
	debugfs_remove(log->dir);
	free_percpu(log->last);
	kfree(log);
}

static void put_endpoint(struct kproxy_log_endpoint *to,
			 const union kproxy_addr *from)
{
	struct in6_addr addr = from->v6.sin6_addr;

	to->scope = 0;
	to->port = ntohs(kproxy_addr_port(from));
	to->pad = 0;
	if (from->sa.sa_family == AF_INET6)
		to->scope = from->v6.sin6_scope_id;
	else
		ipv6_addr_set_v4mapped(from->v4.sin_addr.s_addr, &addr);
	memcpy(to->addr, &addr, sizeof(to->addr));
}

/* With the zeros that stand behind it. */
static void put_name(char to[KPROXY_LOG_NAME_SIZE],
		     const char from[KPROXY_NAME_MAX + 1])
{
	BUILD_BUG_ON(sizeof_field(struct kproxy_log_record, listener) !=
		     KPROXY_NAME_MAX + 1);
	memcpy(to, from, KPROXY_LOG_NAME_SIZE);
}

static u64 moved(const struct kproxy_session *s, enum kproxy_side source)
{
	return READ_ONCE(s->pumps[source].bytes_spliced) +
	       READ_ONCE(s->pumps[source].bytes_copied);
}

static void put_record(struct kproxy_log_record *record,
		       const struct kproxy_session *s)
{
	/* It has waited for a server in vain. */
	static const union kproxy_addr none;
	const struct kproxy_server *server =
		rcu_dereference_protected(s->server, lockdep_is_held(&s->life));

	record->id = s->id;
	record->start_ms = ktime_to_ms(s->began_real);
	record->duration_us = ktime_us_delta(ktime_get(), s->began_mono);
	record->connect_us = kproxy_session_connect_us(s);
	record->bytes_in = moved(s, KPROXY_CLIENT);
	record->bytes_out = moved(s, KPROXY_SERVER);
	record->reason = s->reason;
	record->pad = 0;
	put_endpoint(&record->client, &s->client);
	put_endpoint(&record->server, server ? &server->addr : &none);
	put_name(record->listener, s->listener->name);
	put_name(record->upstream, s->upstream->name);
	record->stall_client_us =
		kproxy_pump_stalled(&s->pumps[KPROXY_SERVER]) / NSEC_PER_USEC;
	record->stall_server_us =
		kproxy_pump_stalled(&s->pumps[KPROXY_CLIENT]) / NSEC_PER_USEC;
}

/**
 * kproxy_log_session() - write the record of a session that has ended
 * @log: the log of its namespace; may be NULL
 * @s: the session, its life locked
 *
 * Context: process.
 */
void kproxy_log_session(struct kproxy_log *log, const struct kproxy_session *s)
{
	struct kproxy_log_record *record;

	if (!log)
		return;
	preempt_disable();
	record = relay_reserve(log->chan, sizeof(*record));
	if (record) {
		WRITE_ONCE(record->number, 0);
		/* a reader sees 0, or what it reads is whole */
		smp_wmb();
		put_record(record, s);
		/* pairs with the reader's look at the number, before and after */
		smp_store_release(&record->number,
				  __this_cpu_inc_return(*log->last));
	}
	preempt_enable();
}
