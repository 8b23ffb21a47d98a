// SPDX-License-Identifier: GPL-2.0
/*
 * The pump moves the bytes of one direction. It walks the receive queue of the
 * source, gathers the page fragments of many packets, hands them to the
 * destination by reference in one call, and then takes from the queue what the
 * destination took. It queues nothing of its own: what the destination has no
 * room for stays in the source's queue, its window closes, and the sender is
 * slowed down by TCP itself.
 *
 * Only what has no page to refer to is copied, and fragments so small that a
 * reference costs more than the copy and would pin a whole page for a few
 * bytes. Copies go to pages of the pool and take their place in the same batch.
 */
#include <linux/bvec.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/net.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "fault.h"
#include "pool.h"
#include "pump.h"
#include "sock.h"

/* Fragments in one call; their array is on the stack: 1 KiB. */
#define BATCH 64

/* Batches in one run, which has both sockets locked. */
#define RUN_MAX 16

/* Fragments up to this many bytes are copied. */
#define COPY_MAX 512

struct batch {
	struct bio_vec vec[BATCH];
	/* which of them are copies */
	DECLARE_BITMAP(copy, BATCH);
	unsigned int n;
	size_t len;
	/* of these, bytes that are copies */
	size_t copied;
	struct kproxy_pool *pool;
	/* the array was full and more is queued */
	bool more;
	/* memory was short, what is gathered is all there is for now */
	bool starved;
	/* data that no CPU can read */
	bool unreadable;
};

static void batch_init(struct batch *b, struct kproxy_pool *pool)
{
	bitmap_zero(b->copy, BATCH);
	b->n = 0;
	b->len = 0;
	b->copied = 0;
	b->pool = pool;
	b->more = false;
	b->starved = false;
	b->unreadable = false;
}

static void batch_release(struct batch *b)
{
	unsigned int i;

	if (!b->copied)
		return;
	for_each_set_bit(i, b->copy, b->n)
		put_page(b->vec[i].bv_page);
}

static bool batch_full(struct batch *b)
{
	if (likely(b->n < BATCH))
		return false;
	b->more = true;
	return true;
}

static bool batch_splice(struct batch *b, struct page *page,
			 unsigned int offset, unsigned int len)
{
	if (batch_full(b))
		return false;
	bvec_set_page(&b->vec[b->n++], page, len, offset);
	b->len += len;
	return true;
}

/* Make a copy part of the one before it where it lies right behind it. */
static bool batch_extend(struct batch *b, const struct kproxy_pool_frag *frag)
{
	struct bio_vec *last;

	if (!b->n || !test_bit(b->n - 1, b->copy))
		return false;
	last = &b->vec[b->n - 1];
	if (last->bv_page != frag->page ||
	    last->bv_offset + last->bv_len != frag->offset)
		return false;
	last->bv_len += frag->len;
	put_page(frag->page);
	return true;
}

static bool batch_copy(struct batch *b, const struct sk_buff *skb,
		       unsigned int offset, unsigned int len)
{
	while (len) {
		unsigned int part = min_t(unsigned int, len, PAGE_SIZE);
		struct kproxy_pool_frag frag;

		if (batch_full(b))
			return false;
		if (!kproxy_pool_frag_get(b->pool, part, &frag)) {
			b->starved = true;
			return false;
		}
		/* Can't fail: offset and part lie within the packet. */
		skb_copy_bits(skb, offset, page_address(frag.page) + frag.offset,
			      part);
		if (!batch_extend(b, &frag)) {
			__set_bit(b->n, b->copy);
			bvec_set_page(&b->vec[b->n++], frag.page, part,
				      frag.offset);
		}
		b->len += part;
		b->copied += part;
		offset += part;
		len -= part;
	}
	return true;
}

/*
 * The linear part of a packet. A reference to it can only be taken when it
 * lies in a page fragment; memory of the slab has no count of its own.
 */
static bool batch_add_head(struct batch *b, const struct sk_buff *skb,
			   unsigned int offset, unsigned int len)
{
	void *data = skb->data + offset;

	if (len > COPY_MAX && skb->head_frag && !skb_cloned(skb))
		return batch_splice(b, virt_to_page(data),
				    offset_in_page(data), len);
	return batch_copy(b, skb, offset, len);
}

/*
 * Fragment @frag of a packet, from byte @skip of it on; @offset is where that
 * byte is in the packet.
 */
static bool batch_add_frag(struct batch *b, const struct sk_buff *skb,
			   const skb_frag_t *frag, unsigned int skip,
			   unsigned int offset)
{
	unsigned int len = skb_frag_size(frag) - skip;

	if (len > COPY_MAX && likely(sendpage_ok(skb_frag_page(frag))))
		return batch_splice(b, skb_frag_page(frag),
				    skb_frag_off(frag) + skip, len);
	return batch_copy(b, skb, offset, len);
}

/* All of a packet from @offset on. Recurses once: for its list of packets. */
static bool batch_add(struct batch *b, const struct sk_buff *skb,
		      unsigned int offset)
{
	unsigned int pos = skb_headlen(skb);
	const struct sk_buff *part;
	int i;

	if (unlikely(!skb_frags_readable(skb))) {
		b->unreadable = true;
		return false;
	}
	if (offset < pos) {
		if (!batch_add_head(b, skb, offset, pos - offset))
			return false;
		offset = pos;
	}
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];
		unsigned int end = pos + skb_frag_size(frag);

		if (offset < end) {
			if (!batch_add_frag(b, skb, frag, offset - pos, offset))
				return false;
			offset = end;
		}
		pos = end;
	}
	skb_walk_frags(skb, part) {
		unsigned int end = pos + part->len;

		if (offset < end) {
			if (!batch_add(b, part, offset - pos))
				return false;
			offset = end;
		}
		pos = end;
	}
	return true;
}

/*
 * Gather what the source has received, up to a full batch. References are
 * taken for copies only: the queue can't change under the source's lock.
 */
static void batch_gather(struct batch *b, struct sock *src)
{
	u32 seq = tcp_sk(src)->copied_seq, offset;
	struct sk_buff *skb;

	/* Drops packets that a merge has left empty. */
	skb = tcp_recv_skb(src, seq, &offset);
	while (skb) {
		/* A packet sent again may begin with bytes already taken. */
		if (offset < skb->len) {
			if (!batch_add(b, skb, offset))
				return;
			seq += skb->len - offset;
		}
		skb = skb_peek_next(skb, &src->sk_receive_queue);
		if (skb)
			offset = seq - TCP_SKB_CB(skb)->seq;
	}
}

/*
 * Count the first @sent bytes of a batch as spliced or copied, without the
 * pump's own @head before them.
 */
static void batch_account(const struct batch *b, size_t sent, size_t head,
			  bool spliced, struct kproxy_pump_moved *moved)
{
	size_t left = sent, copied = b->copied;
	unsigned int i;

	if (unlikely(!spliced)) {
		moved->copied += sent - head;
		return;
	}
	if (unlikely(copied && sent < b->len)) {
		copied = 0;
		for (i = 0; i < b->n && left; i++) {
			size_t part = min_t(size_t, left, b->vec[i].bv_len);

			if (test_bit(i, b->copy))
				copied += part;
			left -= part;
		}
	}
	moved->copied += copied;
	moved->spliced += sent - head - copied;
}

/* A call of tcp_sendmsg_locked(), for those whom it calls. */
struct send_call {
	struct msghdr msg;
	struct sock *dst;
	/* for who copies when he is called */
	struct kproxy_pool *pool;
};

/*
 * TCP is about to append to a packet, and takes what comes for a process's own
 * memory. It is not: it is charged to the socket, and it is shared, so that
 * nobody below may write to it.
 */
static int batch_link(struct sk_buff *skb, struct ubuf_info *ubuf)
{
	skb_shinfo(skb)->flags &= ~SKBFL_PURE_ZEROCOPY;
	skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG;
	return 0;
}

/* Nobody is told: each fragment has a reference of its own. */
static void batch_complete(struct sk_buff *skb, struct ubuf_info *ubuf,
			   bool success)
{
}

static const struct ubuf_info_ops batch_ubuf_ops = {
	.link_skb = batch_link,
	.complete = batch_complete,
};

static DEFINE_PER_CPU(struct ubuf_info, batch_ubuf);

/*
 * TCP counts a reference for each packet, and nobody ever drops one, so that the
 * count begins anew with each call. Nobody looks at it after the call.
 */
static struct ubuf_info *batch_ubuf_get(void)
{
	struct ubuf_info *ubuf = this_cpu_ptr(&batch_ubuf);

	/* Modules' per-CPU data can't be initialised with an address. */
	ubuf->ops = &batch_ubuf_ops;
	refcount_set(&ubuf->refcnt, 1);
	return ubuf;
}

/* How much of @len the destination has memory for. */
static size_t batch_room(struct sock *dst, size_t len)
{
	if (likely(sk_wmem_schedule(dst, len)))
		return len;
	return clamp_t(int, dst->sk_forward_alloc, 0, len);
}

/* Append up to @len bytes of the batch to a packet of the destination's. */
static int batch_append(struct sk_buff *skb, struct iov_iter *from, size_t len)
{
	struct send_call *call =
		container_of(from, struct send_call, msg.msg_iter);
	struct skb_shared_info *info = skb_shinfo(skb);
	size_t room = batch_room(call->dst, len), left = room;
	unsigned int n = info->nr_frags;

	/* The only error that does not make TCP try again at once. */
	if (unlikely(!room))
		return -EFAULT;
	while (left) {
		const struct bio_vec *v = from->bvec;
		size_t part = min(left, v->bv_len - from->iov_offset);
		unsigned int offset = v->bv_offset + from->iov_offset;

		if (skb_can_coalesce(skb, n, v->bv_page, offset)) {
			skb_frag_size_add(&info->frags[n - 1], part);
		} else if (n < MAX_SKB_FRAGS) {
			get_page(v->bv_page);
			__skb_fill_page_desc_noacc(info, n++, v->bv_page,
						   offset, part);
		} else {
			break;
		}
		left -= part;
		from->iov_offset += part;
		if (from->iov_offset == v->bv_len) {
			from->iov_offset = 0;
			from->bvec++;
			from->nr_segs--;
		}
	}
	info->nr_frags = n;
	from->count -= room - left;
	skb_len_add(skb, room - left);
	return left ? -EMSGSIZE : 0;
}

/*
 * MSG_SPLICE_PAGES would do, but takes each fragment page by page, and so makes
 * seventeen of the two or three that a large packet has: dear for us, and for
 * everybody who handles the packet after us.
 */
static int batch_send(struct batch *b, struct sock *dst)
{
	struct send_call call = {
		.msg = {
			.msg_flags = MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL,
			.msg_ubuf = batch_ubuf_get(),
			.sg_from_iter = batch_append,
		},
		.dst = dst,
	};
	size_t len = kproxy_fault_send(b->len);

	if (unlikely(!len))
		return -EAGAIN;
	/*
	 * Cut short, it goes at once, as TCP has it when memory is short. So does
	 * less than a segment: with nothing in flight, and no room for more,
	 * nobody would call.
	 */
	if (b->more && len == b->len && len >= tcp_sk(dst)->mss_cache)
		call.msg.msg_flags |= MSG_MORE;
	iov_iter_bvec(&call.msg.msg_iter, ITER_SOURCE, b->vec, b->n, len);
	return tcp_sendmsg_locked(dst, &call.msg, len);
}

/* Append a copy of up to @len bytes of the message to a packet. */
static int message_append(struct sk_buff *skb, struct iov_iter *from,
			  size_t len)
{
	struct send_call *call =
		container_of(from, struct send_call, msg.msg_iter);
	struct skb_shared_info *info = skb_shinfo(skb);
	size_t room = batch_room(call->dst, len);
	struct kproxy_pool_frag frag;
	unsigned int n = info->nr_frags;

	if (unlikely(!room || !kproxy_pool_frag_get(call->pool, room, &frag)))
		return -EFAULT;
	if (skb_can_coalesce(skb, n, frag.page, frag.offset)) {
		skb_frag_size_add(&info->frags[n - 1], room);
		put_page(frag.page);
	} else if (likely(n < MAX_SKB_FRAGS)) {
		__skb_fill_page_desc_noacc(info, n, frag.page, frag.offset,
					   room);
		info->nr_frags = n + 1;
	} else {
		put_page(frag.page);
		return -EMSGSIZE;
	}
	memcpy(page_address(frag.page) + frag.offset,
	       from->kvec->iov_base + from->iov_offset, room);
	from->iov_offset += room;
	from->count -= room;
	skb_len_add(skb, room);
	return 0;
}

/* As batch_send(), of bytes that are copied where TCP wants them. */
static int message_send(struct sock *dst, struct kproxy_pool *pool,
			struct kvec *data)
{
	struct send_call call = {
		.msg = {
			.msg_flags = MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL,
			.msg_ubuf = batch_ubuf_get(),
			.sg_from_iter = message_append,
		},
		.dst = dst,
		.pool = pool,
	};
	size_t len = kproxy_fault_send(data->iov_len);

	if (unlikely(!len))
		return -EAGAIN;
	iov_iter_kvec(&call.msg.msg_iter, ITER_SOURCE, data, 1, len);
	return tcp_sendmsg_locked(dst, &call.msg, len);
}

/*
 * The bytes of a packet from @offset on, if they are few and lie together, as
 * those of most messages do.
 */
static void *message_data(const struct sk_buff *skb, unsigned int offset)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	unsigned int headlen = skb_headlen(skb);

	if (skb->len - offset > COPY_MAX)
		return NULL;
	if (skb->len == headlen)
		return skb->data + offset;
	if (offset < headlen || info->nr_frags != 1 || info->frag_list ||
	    unlikely(!skb_frags_readable(skb)))
		return NULL;
	return skb_frag_address(&info->frags[0]) + (offset - headlen);
}

/*
 * What it means that the destination took less than it was given. It calls
 * write_space when something in flight is acknowledged; when nothing is, it
 * was memory that was short, and nobody will call.
 */
static enum kproxy_pump_result pump_short(struct sock *dst, int err)
{
	if (err < 0 && err != -EAGAIN && err != -ENOMEM && err != -ENOBUFS &&
	    err != -EFAULT)
		return KPROXY_PUMP_BROKEN;
	if (tcp_rtx_and_write_queues_empty(dst))
		return KPROXY_PUMP_RETRY;
	set_bit(SOCK_NOSPACE, &dst->sk_socket->flags);
	return KPROXY_PUMP_FULL;
}

/*
 * Pass on the end of the stream. TCP gives no error when it finds no memory for
 * the FIN, but then no sequence number is used for it, and the next ACK would be
 * taken for the FIN's: the peer, who never saw one, would wait for ever. So it
 * becomes what it was, to be asked again. Who was accepted by a fast open gets
 * the FIN when the handshake is over.
 */
static enum kproxy_pump_result pump_end(struct sock *dst)
{
	u32 seq = tcp_sk(dst)->write_seq;
	int state = dst->sk_state;

	WRITE_ONCE(dst->sk_shutdown, dst->sk_shutdown | SEND_SHUTDOWN);
	dst->sk_prot->shutdown(dst, SEND_SHUTDOWN);
	if (likely(tcp_sk(dst)->write_seq != seq) || state == TCP_SYN_RECV)
		return KPROXY_PUMP_EOF;
	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return KPROXY_PUMP_BROKEN;
	inet_sk_set_state(dst, state);
	TCP_INC_STATS(sock_net(dst), TCP_MIB_CURRESTAB);
	WRITE_ONCE(dst->sk_shutdown, dst->sk_shutdown & ~SEND_SHUTDOWN);
	return KPROXY_PUMP_RETRY;
}

/* The destination has taken the first @sent bytes of the head. */
static void pump_head_sent(struct kproxy_pump *pump, size_t sent)
{
	pump->head.offset += sent;
	pump->head.len -= sent;
	if (!pump->head.len)
		put_page(pump->head.page);
}

/* Take what went out with the SYN. */
static void pump_take_ahead(struct kproxy_pump *pump, struct sock *src,
			    struct kproxy_pump_moved *moved)
{
	u32 head = min(pump->ahead, pump->head.len), data = pump->ahead - head;

	if (head)
		pump_head_sent(pump, head);
	kproxy_sock_read_done(src, data);
	moved->copied += data;
	pump->ahead = 0;
}

/*
 * Pass on what has come if that is one small packet, of which no batch need be
 * made, or nothing: DRY, FULL, RETRY or BROKEN to @result. False if it is more.
 */
static bool pump_message(struct kproxy_pump *pump, struct sock *src,
			 struct sock *dst, struct kproxy_pool *pool,
			 struct kproxy_pump_moved *moved,
			 enum kproxy_pump_result *result)
{
	const struct sk_buff *skb = skb_peek(&src->sk_receive_queue);
	struct kvec data;
	u32 offset;
	int sent;

	if (!skb)
		return true;
	if (!skb_queue_is_last(&src->sk_receive_queue, skb))
		return false;
	offset = tcp_sk(src)->copied_seq - TCP_SKB_CB(skb)->seq;
	/* The end of the stream alone, or what a merge has left empty. */
	if (offset >= skb->len)
		return true;
	data.iov_base = message_data(skb, offset);
	if (!data.iov_base)
		return false;
	data.iov_len = skb->len - offset;

	pump->sending = true;
	sent = message_send(dst, pool, &data);
	pump->sending = false;
	if (likely(sent > 0)) {
		kproxy_sock_read_done(src, sent);
		moved->copied += sent;
	}
	if (unlikely(sent < (int)data.iov_len))
		*result = pump_short(dst, sent);
	return true;
}

/* Send one batch: DRY when the source had nothing (more) for it. */
static enum kproxy_pump_result pump_batch(struct kproxy_pump *pump,
					  struct sock *src, struct sock *dst,
					  struct kproxy_pool *pool,
					  struct kproxy_pump_moved *moved,
					  bool *more)
{
	enum kproxy_pump_result result = KPROXY_PUMP_DRY;
	/* Zeroed by the compiler where the kernel is built so, for nothing. */
	struct batch b __uninitialized;
	size_t head;
	int sent;

	batch_init(&b, pool);
	if (unlikely(pump->head.len))
		batch_splice(&b, pump->head.page, pump->head.offset,
			     pump->head.len);
	batch_gather(&b, src);
	*more = b.more;
	if (!b.len)
		goto out;

	pump->sending = true;
	sent = batch_send(&b, dst);
	pump->sending = false;
	if (sent > 0) {
		head = min_t(size_t, sent, pump->head.len);
		kproxy_sock_read_done(src, sent - head);
		batch_account(&b, sent, head, dst->sk_route_caps & NETIF_F_SG,
			      moved);
		if (unlikely(head))
			pump_head_sent(pump, head);
	}
	batch_release(&b);
	if (sent < (int)b.len)
		return pump_short(dst, sent);
out:
	if (unlikely(b.starved))
		result = KPROXY_PUMP_RETRY;
	if (unlikely(b.unreadable))
		result = KPROXY_PUMP_BROKEN;
	return result;
}

/**
 * kproxy_pump_drop_head() - give up what was not sent of a pump's head
 * @pump: the direction, which runs no more
 *
 * Context: any.
 */
void kproxy_pump_drop_head(struct kproxy_pump *pump)
{
	if (pump->head.len)
		put_page(pump->head.page);
	pump->head.len = 0;
}

/**
 * kproxy_pump_stalled() - for how long a pump's destination had no room
 * @pump: the direction
 *
 * Context: any.
 * Return: nanoseconds, with those of a stall that goes on.
 */
u64 kproxy_pump_stalled(const struct kproxy_pump *pump)
{
	s64 stall, now;

	/* One word has it all; only the clock must be of the same moment. */
	do {
		stall = READ_ONCE(pump->stall);
		now = stall < 0 ? ktime_get_ns() : 0;
	} while (stall != READ_ONCE(pump->stall));
	return stall + now;
}

/**
 * kproxy_pump_run() - pass on what one socket has received to the other
 * @pump: the direction
 * @src: the source; locked by its spinlock or owned by the caller
 * @dst: the destination; locked by its spinlock and owned by nobody
 * @pool: where copies go, this CPU's part of it
 * @moved: what was passed on is added to it
 *
 * Both sockets are connected or have been. The end of the stream is passed on
 * behind its last byte.
 *
 * Context: bottom halves off; does not sleep.
 * Return: why it stopped. After KPROXY_PUMP_FULL the destination's write_space
 * will be called, after KPROXY_PUMP_RETRY and KPROXY_PUMP_YIELD nothing will.
 */
enum kproxy_pump_result kproxy_pump_run(struct kproxy_pump *pump,
					struct sock *src, struct sock *dst,
					struct kproxy_pool *pool,
					struct kproxy_pump_moved *moved)
{
	enum kproxy_pump_result result = KPROXY_PUMP_DRY;
	u64 spliced = moved->spliced, copied = moved->copied;
	unsigned int n = 0;
	bool more = true;

	if (unlikely(pump->ended))
		return KPROXY_PUMP_DRY;
	if (unlikely(pump->ahead))
		pump_take_ahead(pump, src, moved);

	if (likely(!pump->head.len))
		more = !pump_message(pump, src, dst, pool, moved, &result);
	for (; more && result == KPROXY_PUMP_DRY; n++)
		result = n < RUN_MAX ?
				 pump_batch(pump, src, dst, pool, moved, &more) :
				 KPROXY_PUMP_YIELD;

	if (moved->spliced != spliced || moved->copied != copied) {
		WRITE_ONCE(pump->bytes_spliced, pump->bytes_spliced +
			   moved->spliced - spliced);
		WRITE_ONCE(pump->bytes_copied, pump->bytes_copied +
			   moved->copied - copied);
		WRITE_ONCE(pump->last, jiffies);
		WRITE_ONCE(pump->cpu, raw_smp_processor_id());
		pump->retries = 0;
		kproxy_hold_moved(&pump->hold, kproxy_pump_bytes(pump),
				  tcp_sk(src)->tcp_mstamp,
				  tcp_full_space(src));
	}

	/* Set by a FIN only, not by a reset. */
	if (result == KPROXY_PUMP_DRY && sock_flag(src, SOCK_DONE) &&
	    !src->sk_err) {
		result = pump_end(dst);
		if (likely(result != KPROXY_PUMP_RETRY)) {
			pump->ended = true;
			WRITE_ONCE(pump->last, jiffies);
		}
	}
	pump->full = result == KPROXY_PUMP_FULL;
	return result;
}
