// SPDX-License-Identifier: GPL-2.0
/*
 * The pump moves the bytes of one direction. It walks the from socket's receive
 * queue and gathers the page fragments of many packets. It hands them to the
 * to socket by reference in one call, then removes what that socket took.
 * It queues nothing itself: bytes without room stay in the from socket's queue,
 * so its window closes and TCP slows the sender down.
 *
 * Only two things are copied: data without a page to refer to, and fragments so
 * small that a reference costs more than the copy and would pin a whole page.
 * Copies go to pages of the pool and take their place in the same batch.
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

/* Fragments per tcp_sendmsg_locked(); the array is on the stack: 1 KiB. */
#define BATCH 64

/* Batches per run, during which both sockets are locked. */
#define RUN_MAX 16

/* Fragments up to this many bytes are copied. */
#define COPY_MAX 512

struct batch {
	struct bio_vec vec[BATCH];
	/* which of @vec are copies */
	DECLARE_BITMAP(copy, BATCH);
	unsigned int n;
	size_t len;
	/* bytes of @len that are copies */
	size_t copied;
	struct kproxy_pool *pool;
	/* the array was full and more is queued */
	bool more;
	/* memory was short, so the batch ends early */
	bool starved;
	/* the next data can't be read by the CPU */
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

/* Merge a copy into the previous one if it lies directly behind it. */
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
 * Add a packet's linear part. It can be referenced only if it lies in a page
 * fragment, because slab memory has no reference count of its own.
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
 * Add fragment @frag of a packet, from its byte @skip on. @offset is the
 * position of that byte in the packet.
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

/* Add a packet from @offset on. Recurses one level, for its frag_list. */
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
 * Gather what the from socket has received, up to a full batch. The batch has
 * references to its copies only. The others need none, because the queue can't
 * change under the from socket's lock.
 */
static void batch_gather(struct batch *b, struct sock *from)
{
	u32 seq = tcp_sk(from)->copied_seq, offset;
	struct sk_buff *skb;

	/* Drops packets that a merge has left empty. */
	skb = tcp_recv_skb(from, seq, &offset);
	while (skb) {
		/* A retransmitted packet may begin with bytes already taken. */
		if (offset < skb->len) {
			if (!batch_add(b, skb, offset))
				return;
			seq += skb->len - offset;
		}
		skb = skb_peek_next(skb, &from->sk_receive_queue);
		if (skb)
			offset = seq - TCP_SKB_CB(skb)->seq;
	}
}

/*
 * Count the first @sent bytes of a batch, without the pump's @head, as spliced
 * or copied.
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

/* Per-call context for batch_append() and message_append(). */
struct send_call {
	struct msghdr msg;
	struct sock *to;
	/* used by message_append() */
	struct kproxy_pool *pool;
};

/*
 * TCP is about to append to a packet and assumes user memory. Correct that: the
 * pages are charged to the socket, and they are shared, so lower layers must
 * not write to them. A packet that really has a process's memory, as those that
 * it sends by MSG_ZEROCOPY, is not appended to.
 */
static int batch_link(struct sk_buff *skb, struct ubuf_info *ubuf)
{
	if (unlikely(skb_zcopy(skb)))
		return -EEXIST;
	skb_shinfo(skb)->flags &= ~SKBFL_PURE_ZEROCOPY;
	skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG;
	return 0;
}

/* No completion is needed, because each fragment has its own reference. */
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
 * TCP takes a reference for each packet and nothing drops it, so each call
 * resets the count. Nothing reads the count after the call. Calls that preempt
 * each other, as on PREEMPT_RT, only write what the other one has written.
 */
static struct ubuf_info *batch_ubuf_get(void)
{
	struct ubuf_info *ubuf = this_cpu_ptr(&batch_ubuf);

	/* A module's per-CPU data can't be initialised with an address. */
	ubuf->ops = &batch_ubuf_ops;
	refcount_set(&ubuf->refcnt, 1);
	return ubuf;
}

/* How many of @len bytes the to socket has memory for. */
static size_t batch_room(struct sock *to, size_t len)
{
	if (likely(sk_wmem_schedule(to, len)))
		return len;
	return clamp_t(int, to->sk_forward_alloc, 0, len);
}

/* sg_from_iter: append up to @len bytes of the batch to a packet. */
static int batch_append(struct sk_buff *skb, struct iov_iter *from, size_t len)
{
	struct send_call *call =
		container_of(from, struct send_call, msg.msg_iter);
	struct skb_shared_info *info = skb_shinfo(skb);
	size_t room = batch_room(call->to, len), left = room;
	unsigned int n = info->nr_frags;

	/* The only error on which TCP does not retry at once. */
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
 * Send a batch. MSG_SPLICE_PAGES would work, but splits fragments into pages:
 * it makes seventeen of a large packet's two or three. That costs time here and
 * in every layer below.
 */
static int batch_send(struct batch *b, size_t most, struct sock *to)
{
	struct send_call call = {
		.msg = {
			.msg_flags = MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL,
			.msg_ubuf = batch_ubuf_get(),
			.sg_from_iter = batch_append,
		},
		.to = to,
	};
	size_t len = kproxy_fault_send(most);

	if (unlikely(!len))
		return -EAGAIN;
	/*
	 * No MSG_MORE for a batch that a limit or fault injection cut short,
	 * since TCP sends at once when memory is short. Nor for less than a
	 * segment: with nothing in flight and no room for more, nothing would
	 * ever call write_space.
	 */
	if (b->more && len == b->len && len >= tcp_sk(to)->mss_cache)
		call.msg.msg_flags |= MSG_MORE;
	iov_iter_bvec(&call.msg.msg_iter, ITER_SOURCE, b->vec, b->n, len);
	return tcp_sendmsg_locked(to, &call.msg, len);
}

/* sg_from_iter: append a copy of up to @len bytes of the message. */
static int message_append(struct sk_buff *skb, struct iov_iter *from,
			  size_t len)
{
	struct send_call *call =
		container_of(from, struct send_call, msg.msg_iter);
	struct skb_shared_info *info = skb_shinfo(skb);
	size_t room = batch_room(call->to, len);
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

/* As batch_send(), for bytes that message_append() copies. */
static int message_send(struct sock *to, struct kproxy_pool *pool,
			struct kvec *data)
{
	struct send_call call = {
		.msg = {
			.msg_flags = MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL,
			.msg_ubuf = batch_ubuf_get(),
			.sg_from_iter = message_append,
		},
		.to = to,
		.pool = pool,
	};
	size_t len = kproxy_fault_send(data->iov_len);

	if (unlikely(!len))
		return -EAGAIN;
	iov_iter_kvec(&call.msg.msg_iter, ITER_SOURCE, data, 1, len);
	return tcp_sendmsg_locked(to, &call.msg, len);
}

/*
 * Return a packet's bytes from @offset on, if they are few and contiguous, as
 * in most messages. Return NULL otherwise.
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
 * The to socket took less than it was given: find out why. If data is in
 * flight, its ACK will call write_space. If none is, memory was short and no
 * callback will come.
 */
static enum kproxy_pump_result pump_short(struct sock *to, int err)
{
	if (err < 0 && err != -EAGAIN && err != -ENOMEM && err != -ENOBUFS &&
	    err != -EFAULT)
		return KPROXY_PUMP_BROKEN;
	if (tcp_rtx_and_write_queues_empty(to))
		return KPROXY_PUMP_RETRY;
	set_bit(SOCK_NOSPACE, &to->sk_socket->flags);
	return KPROXY_PUMP_FULL;
}

/*
 * Pass on the end of the stream. TCP reports no error if it has no memory for
 * the FIN, but then uses no sequence number for it. It would take the next ACK
 * for the FIN's, and the peer, which never got a FIN, would wait for ever.
 * Therefore restore the state and retry. A client accepted by Fast Open gets
 * the FIN when the handshake completes.
 */
static enum kproxy_pump_result pump_end(struct sock *to)
{
	u32 seq = tcp_sk(to)->write_seq;
	int state = to->sk_state;

	WRITE_ONCE(to->sk_shutdown, to->sk_shutdown | SEND_SHUTDOWN);
	to->sk_prot->shutdown(to, SEND_SHUTDOWN);
	if (likely(tcp_sk(to)->write_seq != seq) || state == TCP_SYN_RECV)
		return KPROXY_PUMP_EOF;
	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return KPROXY_PUMP_BROKEN;
	inet_sk_set_state(to, state);
	TCP_INC_STATS(sock_net(to), TCP_MIB_CURRESTAB);
	WRITE_ONCE(to->sk_shutdown, to->sk_shutdown & ~SEND_SHUTDOWN);
	return KPROXY_PUMP_RETRY;
}

/* The to socket has taken the first @sent bytes of the head. */
static void pump_head_sent(struct kproxy_pump *pump, size_t sent)
{
	pump->head.offset += sent;
	pump->head.len -= sent;
	if (!pump->head.len)
		put_page(pump->head.page);
}

/* How many of @len bytes may be passed on. */
static size_t pump_allowed(const struct kproxy_pump *pump, size_t len)
{
	return unlikely(pump->limited) ? min_t(u64, len, pump->left) : len;
}

static bool pump_at_limit(const struct kproxy_pump *pump)
{
	return unlikely(pump->limited) && !pump->left;
}

/* Remove bytes that were passed on. */
static void pump_taken(struct kproxy_pump *pump, struct sock *from, u32 len)
{
	kproxy_sock_read_done(from, len);
	if (unlikely(pump->limited))
		WRITE_ONCE(pump->left, pump->left - len);
}

/* Remove the bytes that were sent with the SYN. */
static void pump_take_ahead(struct kproxy_pump *pump, struct sock *from,
			    struct kproxy_pump_moved *moved)
{
	u32 head = min(pump->ahead, pump->head.len), data = pump->ahead - head;

	if (head)
		pump_head_sent(pump, head);
	kproxy_sock_read_done(from, data);
	moved->copied += data;
	pump->ahead = 0;
}

/*
 * Pass on what was received if that is nothing, or one small packet, which
 * needs no batch. @result changes to FULL, RETRY or BROKEN if the packet did
 * not fit. Return false if more was received.
 */
static bool pump_message(struct kproxy_pump *pump, struct sock *from,
			 struct sock *to, struct kproxy_pool *pool,
			 struct kproxy_pump_moved *moved,
			 enum kproxy_pump_result *result)
{
	const struct sk_buff *skb = skb_peek(&from->sk_receive_queue);
	struct kvec data;
	u32 offset;
	int sent;

	if (!skb)
		return true;
	if (!skb_queue_is_last(&from->sk_receive_queue, skb))
		return false;
	offset = tcp_sk(from)->copied_seq - TCP_SKB_CB(skb)->seq;
	/* Only the end of the stream, or a packet that a merge left empty. */
	if (offset >= skb->len)
		return true;
	data.iov_base = message_data(skb, offset);
	if (!data.iov_base)
		return false;
	data.iov_len = pump_allowed(pump, skb->len - offset);

	pump->sending = true;
	sent = message_send(to, pool, &data);
	pump->sending = false;
	if (likely(sent > 0)) {
		pump_taken(pump, from, sent);
		moved->copied += sent;
	}
	if (unlikely(sent < (int)data.iov_len))
		*result = pump_short(to, sent);
	return true;
}

/* Send one batch. Return DRY if all of it was taken. */
static enum kproxy_pump_result pump_batch(struct kproxy_pump *pump,
					  struct sock *from, struct sock *to,
					  struct kproxy_pool *pool,
					  struct kproxy_pump_moved *moved,
					  bool *more)
{
	enum kproxy_pump_result result = KPROXY_PUMP_DRY;
	/*
	 * With automatic zeroing of stack variables, this would cost 1 KiB a
	 * run.
	 */
	struct batch b __uninitialized;
	size_t head, len;
	int sent;

	batch_init(&b, pool);
	if (unlikely(pump->head.len))
		batch_splice(&b, pump->head.page, pump->head.offset,
			     pump->head.len);
	batch_gather(&b, from);
	*more = b.more;
	if (!b.len)
		goto out;

	/* A session with a limit has no head. */
	len = pump_allowed(pump, b.len);
	pump->sending = true;
	sent = batch_send(&b, len, to);
	pump->sending = false;
	if (sent > 0) {
		head = min_t(size_t, sent, pump->head.len);
		pump_taken(pump, from, sent - head);
		batch_account(&b, sent, head, to->sk_route_caps & NETIF_F_SG,
			      moved);
		if (unlikely(head))
			pump_head_sent(pump, head);
	}
	batch_release(&b);
	if (sent < (int)len)
		return pump_short(to, sent);
	/* A shortage or an error behind the limit is none. */
	if (pump_at_limit(pump))
		return KPROXY_PUMP_LIMIT;
out:
	if (unlikely(b.starved))
		result = KPROXY_PUMP_RETRY;
	if (unlikely(b.unreadable))
		result = KPROXY_PUMP_BROKEN;
	return result;
}

/**
 * kproxy_pump_drop_head() - drop what was not sent of a pump's head
 * @pump: the direction, which no longer runs
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
 * kproxy_pump_stalled() - return how long a pump's to socket had no room
 * @pump: the direction
 *
 * Context: any.
 * Return: nanoseconds, including a stall that is still going on.
 */
u64 kproxy_pump_stalled(const struct kproxy_pump *pump)
{
	s64 stall, now;

	/*
	 * The word is consistent in itself; retry only if the clock may not
	 * match it.
	 */
	do {
		stall = READ_ONCE(pump->stall);
		now = stall < 0 ? ktime_get_ns() : 0;
	} while (stall != READ_ONCE(pump->stall));
	return stall + now;
}

/**
 * kproxy_pump_run() - pass on what one socket has received to the other
 * @pump: the direction
 * @from: the socket to read from; locked by its spinlock or owned by the caller
 * @to: the socket to send to; locked by its spinlock, not owned by a process
 * @pool: where copies go; only this CPU's part is used
 * @moved: the bytes passed on are added to it
 *
 * Both sockets are connected, or have been. The end of the stream is passed on
 * after its last byte.
 *
 * Context: bottom halves off; does not sleep.
 * Return: why the run stopped; if nothing is left to do after KPROXY_PUMP_EOF
 * or KPROXY_PUMP_LIMIT, KPROXY_PUMP_DRY. After KPROXY_PUMP_FULL the to socket
 * calls write_space. After KPROXY_PUMP_RETRY and KPROXY_PUMP_YIELD no callback
 * comes.
 */
enum kproxy_pump_result kproxy_pump_run(struct kproxy_pump *pump,
					struct sock *from, struct sock *to,
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
		pump_take_ahead(pump, from, moved);

	if (likely(!pump->head.len))
		more = !pump_message(pump, from, to, pool, moved, &result);
	if (pump_at_limit(pump))
		result = KPROXY_PUMP_LIMIT;
	for (; more && result == KPROXY_PUMP_DRY; n++)
		result = n < RUN_MAX ?
				 pump_batch(pump, from, to, pool, moved, &more) :
				 KPROXY_PUMP_YIELD;

	if (moved->spliced != spliced || moved->copied != copied) {
		WRITE_ONCE(pump->bytes_spliced, pump->bytes_spliced +
			   moved->spliced - spliced);
		WRITE_ONCE(pump->bytes_copied, pump->bytes_copied +
			   moved->copied - copied);
		WRITE_ONCE(pump->last, jiffies);
		WRITE_ONCE(pump->cpu, raw_smp_processor_id());
		pump->retries = 0;
		kproxy_coalesce_moved(&pump->coalesce, kproxy_pump_bytes(pump),
				      tcp_sk(from)->tcp_mstamp,
				      tcp_full_space(from));
	}

	if (unlikely(result == KPROXY_PUMP_LIMIT))
		pump->ended = true;
	/* A FIN sets SOCK_DONE; a reset sets sk_err as well. */
	if (result == KPROXY_PUMP_DRY && sock_flag(from, SOCK_DONE) &&
	    !from->sk_err) {
		result = pump_end(to);
		if (likely(result != KPROXY_PUMP_RETRY)) {
			pump->ended = true;
			WRITE_ONCE(pump->last, jiffies);
		}
	}
	pump->full = result == KPROXY_PUMP_FULL;
	return result;
}
