// SPDX-License-Identifier: GPL-2.0
/*
 * The log of finished sessions: one file per namespace, with rings of records,
 * which readers map. kproxy_log.h describes the format. Writers never wait for
 * a reader, and reading needs no system call.
 *
 * The file is shared memory (tmpfs), as created by memfd_create(). The module
 * writes to its pages through mappings of its own. Therefore a reader's
 * descriptor needs nothing of the module: its operations are the kernel's, its
 * memory lives until the last reader is gone, and rmmod works meanwhile. A file
 * with the module's own operations, such as an anonymous inode's, would pin the
 * module as long as a reader has it open or mapped.
 *
 * Pages that are written through a mapping must not move:
 *
 * - Reclaim and swap-out: the mapping is unevictable. Also, pageout() and
 *   __remove_mapping() leave a folio alone that has more references than the
 *   page cache's. The log holds one for each page.
 * - Migration, compaction and khugepaged expect only the page cache's
 *   references, so the same holds. Pages are not allocated as movable.
 * - Truncation, hole punching and writing are refused by seals, which nobody
 *   can remove (F_SEAL_SEAL). A descriptor reopened for writing through /proc
 *   runs into them too.
 *
 * The files are on a mount of the module's, where nothing can be executed or
 * mapped executable, which no mode of an inode and no seal can do. A file holds
 * the mount.
 *
 * When the log is closed, its pages are marked dirty before they are released,
 * so that reclaim does not take them for unwritten zero pages.
 */
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <net/ipv6.h>
#include <uapi/linux/kproxy.h>
#include <uapi/linux/kproxy_log.h>

#include "client-hello.h"
#include "compat.h"
#include "listener.h"
#include "log.h"
#include "memcg.h"
#include "param.h"
#include "refuse.h"
#include "server.h"
#include "session.h"
#include "session-event.h"
#include "session-splice.h"
#include "upstream.h"

/* At most 9.2 MiB per CPU. */
#define RECORDS_MAX 16384

static unsigned int log_records = 256;
KPROXY_PARAM(log_records, 0, RECORDS_MAX);
MODULE_PARM_DESC(log_records,
		 "finished sessions kept for each CPU and network namespace, 0 for no log");

/* Index of the ring for CPUs without one; each CPU's ring follows it. */
#define SPARE 0
#define RING_OF(cpu) ((cpu) + 1)

/* After memory was short, jiffies until the next ring is allocated. */
#define RETRY HZ

/**
 * struct kproxy_log_area - pages of the file that the module has mapped
 * @addr: where they are mapped; constant
 * @pages: the pages, each with a reference; constant
 * @n: how many; constant
 */
struct kproxy_log_area {
	void *addr;
	struct page **pages;
	unsigned int n;
};

/**
 * struct kproxy_log_ring - the records of a CPU, or of all that have no ring
 * @area: the memory of the records
 * @last: number of the last record; written by its CPU with preemption off, the
 *	spare ring's under spare_lock
 */
struct kproxy_log_ring {
	struct kproxy_log_area area;
	u64 last;
} ____cacheline_aligned_in_smp;

/**
 * struct kproxy_log - the log of a namespace
 * @file: the memory, open for writing; constant
 * @header: the start of the file; once published, changed by the holder of
 *	@lock
 * @memcg: the cgroup that is charged, NULL for none; constant
 * @records: records per ring; constant
 * @header_size: offset of the first ring in the file, in bytes; constant
 * @ring_size: size of each ring in the file, in bytes; constant
 * @lock: held while a ring is allocated
 * @retry_at: when to try allocating again, in jiffies, 0 for now; under @lock,
 *	read locklessly
 * @spare_lock: held while the spare ring is written; innermost
 * @rings: the spare ring, then each CPU's; each published once under @lock
 */
struct kproxy_log {
	struct file *file;
	struct kproxy_log_area header;
	struct mem_cgroup *memcg;
	u32 records;
	unsigned long header_size;
	unsigned long ring_size;
	struct mutex lock; /* one ring is made at a time */
	unsigned long retry_at;
	spinlock_t spare_lock; /* one writer to the spare ring at a time */
	struct kproxy_log_ring *rings[];
};

/* Rather fail than have the OOM killer end a process for it. */
#define AREA_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

static void area_unmap(struct kproxy_log_area *area)
{
	if (area->addr)
		vunmap(area->addr);
	while (area->n) {
		set_page_dirty(area->pages[--area->n]);
		put_page(area->pages[area->n]);
	}
	kvfree(area->pages);
	*area = (struct kproxy_log_area){};
}

/* Allocate memory for a part of the file and map it. */
static int area_map(const struct kproxy_log *log, struct kproxy_log_area *area,
		    loff_t begin, size_t size)
{
	unsigned int n = size >> PAGE_SHIFT;
	struct page *page;

	area->pages = kvmalloc_array(n, sizeof(*area->pages),
				     AREA_GFP | __GFP_ACCOUNT);
	if (!area->pages)
		return -ENOMEM;
	for (area->n = 0; area->n < n; area->n++) {
		page = shmem_read_mapping_page_gfp(log->file->f_mapping,
						   (begin >> PAGE_SHIFT) +
						   area->n, AREA_GFP);
		if (IS_ERR(page))
			goto err;
		area->pages[area->n] = page;
	}
	area->addr = vmap(area->pages, n, VM_MAP, PAGE_KERNEL);
	if (area->addr)
		return 0;
err:
	area_unmap(area);
	return -ENOMEM;
}

/* Where the files are; NULL when there are none. */
static struct vfsmount *log_mount __ro_after_init;

/* Only the module's own mappings can change it, whatever descriptors exist. */
static void seal(struct file *file)
{
	struct inode *inode = file_inode(file);

	SHMEM_I(inode)->seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW |
				F_SEAL_WRITE | F_SEAL_FUTURE_WRITE |
				F_SEAL_EXEC;
	inode->i_mode = S_IFREG | 0400;
	inode->i_flags |= S_IMMUTABLE;
	/* Otherwise its owner could clear the flag by FS_IOC_SETFLAGS. */
	SHMEM_I(inode)->fsflags |= FS_IMMUTABLE_FL;
	mapping_set_unevictable(file->f_mapping);
	mapping_set_gfp_mask(file->f_mapping, GFP_KERNEL);
}

static struct kproxy_log_ring *ring_new(struct kproxy_log *log, u32 index)
{
	struct kproxy_log_header *header = log->header.addr;
	struct mem_cgroup *old = set_active_memcg(log->memcg);
	struct kproxy_log_ring *ring;

	ring = kzalloc(sizeof(*ring), AREA_GFP | __GFP_ACCOUNT);
	if (ring && area_map(log, &ring->area,
			     log->header_size + (loff_t)index * log->ring_size,
			     log->ring_size)) {
		kfree(ring);
		ring = NULL;
	}
	kproxy_memcg_leave(old);
	if (!ring)
		return NULL;
	/* pairs with the acquire in log_write() */
	smp_store_release(&log->rings[index], ring);
	/* Under @lock; readers may read it at any time. */
	WRITE_ONCE(header->ready[index / 64],
		   header->ready[index / 64] | BIT_ULL(index % 64));
	return ring;
}

static void rings_free(struct kproxy_log *log)
{
	u32 i;

	for (i = 0; i <= nr_cpu_ids; i++) {
		if (!log->rings[i])
			continue;
		area_unmap(&log->rings[i]->area);
		kfree(log->rings[i]);
	}
}

static int header_new(struct kproxy_log *log)
{
	struct kproxy_log_header *header;

	if (area_map(log, &log->header, 0, log->header_size))
		return -ENOMEM;
	header = log->header.addr;
	*header = (struct kproxy_log_header){
		.magic = KPROXY_LOG_MAGIC,
		.header_size = log->header_size,
		.record_size = sizeof(struct kproxy_log_record),
		.ring_records = log->records,
		.ring_size = log->ring_size,
		.rings = nr_cpu_ids + 1,
	};
	return 0;
}

static void log_free(struct kproxy_log *log)
{
	rings_free(log);
	if (log->header.addr)
		area_unmap(&log->header);
	if (log->file)
		fput(log->file);
	mem_cgroup_put(log->memcg);
	kvfree(log);
}

/**
 * kproxy_log_init() - set up what the logs of all namespaces share
 *
 * Context: process, may sleep.
 * Return: 0 or a negative errno.
 */
int kproxy_log_init(void)
{
	/* Built in: there is no module of which this is a reference. */
	struct file_system_type *tmpfs = get_fs_type("tmpfs");
	struct vfsmount *mount;

	if (!log_records)
		return 0;
	if (!tmpfs)
		return -ENODEV;
	mount = kern_mount(tmpfs);
	/* tmpfs without the memory for an inode says ENOSPC. */
	if (IS_ERR(mount))
		return PTR_ERR(mount) == -ENOSPC ? -ENOMEM : PTR_ERR(mount);
	mount->mnt_sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	log_mount = mount;
	return 0;
}

/**
 * kproxy_log_exit() - undo kproxy_log_init(); no namespace has a log
 *
 * Readers may still have files open.
 *
 * Context: process, may sleep.
 */
void kproxy_log_exit(void)
{
	if (log_mount)
		kern_unmount(log_mount);
}

/**
 * kproxy_log_enabled() - whether namespaces have a log
 *
 * Context: any.
 * Return: false if the module was loaded with log_records=0.
 */
bool kproxy_log_enabled(void)
{
	return log_records;
}

/**
 * kproxy_log_open() - create the log of a namespace
 *
 * Its memory is charged to the cgroup of the calling task. Only the spare ring
 * is allocated here; a CPU gets its own when the first session ends on it.
 *
 * Context: process, may sleep.
 * Return: the log, for kproxy_log_close(); NULL if logging is off or memory is
 * short.
 */
struct kproxy_log *kproxy_log_open(void)
{
	struct kproxy_log *log;
	struct file *file;

	BUILD_BUG_ON(sizeof(struct kproxy_log_record) % sizeof(u64));
	if (!log_records)
		return NULL;
	log = kvzalloc(struct_size(log, rings, nr_cpu_ids + 1),
		       GFP_KERNEL_ACCOUNT);
	if (!log)
		return NULL;
	mutex_init(&log->lock);
	spin_lock_init(&log->spare_lock);
	log->memcg = get_mem_cgroup_from_mm(current->mm);
	log->records = log_records;
	log->header_size =
		PAGE_ALIGN(sizeof(struct kproxy_log_header) +
			   BITS_TO_U64(nr_cpu_ids + 1) * sizeof(u64));
	log->ring_size = PAGE_ALIGN(log->records *
				    sizeof(struct kproxy_log_record));
	/* Its rings are memory only when they are made. */
	file = shmem_file_setup_with_mnt(log_mount, "kproxy-log",
					 log->header_size +
					 (loff_t)(nr_cpu_ids + 1) *
					 log->ring_size, KPROXY_NORESERVE);
	if (IS_ERR(file))
		goto err;
	log->file = file;
	seal(file);
	if (header_new(log) || !ring_new(log, SPARE))
		goto err;
	return log;

err:
	log_free(log);
	return NULL;
}

/**
 * kproxy_log_close() - end a log
 * @log: the log, which nobody writes to any more; may be NULL
 *
 * A reader that has it open keeps its records.
 *
 * Context: process, may sleep.
 */
void kproxy_log_close(struct kproxy_log *log)
{
	struct kproxy_log_header *header;

	if (!log)
		return;
	header = log->header.addr;
	/* A reader that sees this sees all records. */
	smp_store_release(&header->ended, 1);
	log_free(log);
}

/**
 * kproxy_log_file() - open a log for a reader
 * @log: the log
 *
 * Context: process, may sleep.
 * Return: a read-only file, for fput(), which needs neither the log nor the
 * module; or an ERR_PTR.
 */
struct file *kproxy_log_file(const struct kproxy_log *log)
{
	return dentry_open(&log->file->f_path, O_RDONLY | O_LARGEFILE,
			   current_cred());
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

/* Includes the zeros after the name. */
static void put_name(char to[KPROXY_LOG_NAME_SIZE],
		     const char from[KPROXY_NAME_MAX + 1])
{
	BUILD_BUG_ON(sizeof_field(struct kproxy_log_record, listener) !=
		     KPROXY_NAME_MAX + 1);
	memcpy(to, from, KPROXY_LOG_NAME_SIZE);
}

static void put_sni(struct kproxy_log_record *record, const char *sni)
{
	BUILD_BUG_ON(sizeof(record->sni) < KPROXY_HELLO_NAME_SIZE);
	strscpy(record->sni, sni ?: "", sizeof(record->sni));
}

static u64 moved(const struct kproxy_session *s, enum kproxy_side from)
{
	return READ_ONCE(s->pumps[from].bytes_spliced) +
	       READ_ONCE(s->pumps[from].bytes_copied);
}

/* For a client that never got a server. */
static const union kproxy_addr no_server;

static void put_session(struct kproxy_log_record *record,
			const struct kproxy_session *s, u32 omitted)
{
	const struct kproxy_server *server =
		rcu_dereference_protected(s->server, lockdep_is_held(&s->life));

	record->id = s->id;
	record->start_ms = ktime_to_ms(s->began_real);
	record->duration_us = ktime_us_delta(ktime_get(), s->began_mono);
	record->connect_us = kproxy_session_connect_us(s);
	record->unacked_in = s->unacked[KPROXY_SERVER];
	record->unacked_out = s->unacked[KPROXY_CLIENT];
	record->bytes_in = moved(s, KPROXY_CLIENT) - record->unacked_in;
	record->bytes_out = moved(s, KPROXY_SERVER) - record->unacked_out;
	record->reason = s->reason;
	record->flags = s->splice ? KPROXY_LOG_SPLICE : 0;
	record->omitted = omitted;
	record->pad = 0;
	put_endpoint(&record->client, &s->client);
	put_endpoint(&record->server,
		     kproxy_session_server_addr(s, server) ?: &no_server);
	put_name(record->listener, kproxy_session_listener(s));
	put_name(record->upstream,
		 s->splice ? s->splice->label : kproxy_session_upstream(s));
	put_sni(record, s->sni);
	record->server_name[0] = '\0';
	if (server)
		kproxy_server_get_name(server, record->server_name);
	record->stall_client_us =
		kproxy_pump_stalled(&s->pumps[KPROXY_SERVER]) / NSEC_PER_USEC;
	record->stall_server_us =
		kproxy_pump_stalled(&s->pumps[KPROXY_CLIENT]) / NSEC_PER_USEC;
}

static void put_refusal(struct kproxy_log_record *record,
			const struct kproxy_refusal *refusal)
{
	/* The slot may hold an older record. */
	memset(record, 0, sizeof(*record));
	record->id = refusal->id;
	record->start_ms = ktime_to_ms(refusal->began_real);
	record->duration_us = refusal->duration_us;
	record->reason = refusal->reason;
	record->omitted = refusal->omitted;
	put_endpoint(&record->client, &refusal->client);
	put_endpoint(&record->server, &no_server);
	put_name(record->listener, refusal->listener->obj.name);
	if (refusal->upstream)
		put_name(record->upstream, refusal->upstream->obj.name);
	put_sni(record, refusal->sni);
}

/* What a record is made of: @session, and what was left out; or @refusal. */
struct source {
	const struct kproxy_session *session;
	u32 omitted;
	const struct kproxy_refusal *refusal;
};

/* With preemption off, or the spare ring locked. */
static void write_record(const struct kproxy_log *log,
			 struct kproxy_log_ring *ring,
			 const struct source *source)
{
	struct kproxy_log_record *record = ring->area.addr;

	record += ring->last % log->records;
	WRITE_ONCE(record->number, 0);
	/* a reader sees 0, or reads a complete record */
	smp_wmb();
	if (source->session)
		put_session(record, source->session, source->omitted);
	else
		put_refusal(record, source->refusal);
	/* pairs with the reader's checks of the number, before and after */
	smp_store_release(&record->number, ++ring->last);
}

/* Allocate the CPU's ring if it has none and memory allows. */
static void ring_prepare(struct kproxy_log *log, unsigned int cpu)
{
	unsigned long retry_at = READ_ONCE(log->retry_at);
	u32 index = RING_OF(cpu);

	if (READ_ONCE(log->rings[index]) ||
	    (retry_at && time_before(jiffies, retry_at)))
		return;
	mutex_lock(&log->lock);
	if (!log->rings[index])
		WRITE_ONCE(log->retry_at,
			   ring_new(log, index) ? 0 : (jiffies + RETRY) | 1);
	mutex_unlock(&log->lock);
}

static void log_write(struct kproxy_log *log, const struct source *source)
{
	struct kproxy_log_ring *ring;

	ring_prepare(log, raw_smp_processor_id());
	preempt_disable();
	/* pairs with ring_new() */
	ring = smp_load_acquire(&log->rings[RING_OF(smp_processor_id())]);
	if (ring)
		write_record(log, ring, source);
	preempt_enable();
	if (ring)
		return;
	spin_lock(&log->spare_lock);
	write_record(log, log->rings[SPARE], source);
	spin_unlock(&log->spare_lock);
}

/**
 * kproxy_log_session() - write the record of a session that has ended
 * @log: the log of its namespace; may be NULL
 * @s: the session, its life locked
 * @omitted: how many before it have no record
 *
 * Context: process, may sleep.
 */
void kproxy_log_session(struct kproxy_log *log, const struct kproxy_session *s,
			u32 omitted)
{
	const struct source source = { .session = s, .omitted = omitted };

	if (log)
		log_write(log, &source);
}

/**
 * kproxy_log_refusal() - write the record of a client that was refused
 * @log: the log of its namespace; may be NULL
 * @refusal: the client
 *
 * Context: process, may sleep.
 */
void kproxy_log_refusal(struct kproxy_log *log,
			const struct kproxy_refusal *refusal)
{
	const struct source source = { .refusal = refusal };

	if (log)
		log_write(log, &source);
}
