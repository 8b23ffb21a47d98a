/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_FAULT_H
#define _KPROXY_FAULT_H

#include <linux/jump_label.h>
#include <linux/types.h>

/*
 * Points between a read and its use, or between two steps, at which a test may
 * delay a CPU. Sorted by file; names[] in fault.c has their names.
 */
enum kproxy_point {
	/* session.c: the life work has read the state */
	KPROXY_POINT_LIFE_END,
	KPROXY_POINT_LIFE_GREET,
	KPROXY_POINT_LIFE_CONNECT,
	KPROXY_POINT_LIFE_OWNER,
	/* session_end(), between its steps */
	KPROXY_POINT_END_TABLE,
	KPROXY_POINT_END_DETACH,
	KPROXY_POINT_END_TIMER,
	KPROXY_POINT_END_WORK,
	KPROXY_POINT_END_CLOSE,
	KPROXY_POINT_END_RELEASE,
	KPROXY_POINT_END_PUT,
	/* the state is read, and then changed */
	KPROXY_POINT_EVENT,
	KPROXY_POINT_EVENT_FINAL,
	KPROXY_POINT_EVENT_TIMER,
	KPROXY_POINT_SOCKET_CHANGED,
	KPROXY_POINT_BOTH_CLOSED,
	KPROXY_POINT_CLIENT_CHANGED,
	KPROXY_POINT_SERVER_CHANGED,
	KPROXY_POINT_EOF,
	KPROXY_POINT_TIMER,
	KPROXY_POINT_TIMER_CONNECT,
	KPROXY_POINT_GREET_READ,
	KPROXY_POINT_GREET_ENTERED,
	KPROXY_POINT_GREETED,
	KPROXY_POINT_START_BEGUN,
	KPROXY_POINT_START_ATTACH,
	KPROXY_POINT_START_ATTACHED,
	/* session-connect.c */
	KPROXY_POINT_CONNECT_CHANGED,
	KPROXY_POINT_CONNECT_ESTABLISHED,
	KPROXY_POINT_CONNECT_FAILED,
	KPROXY_POINT_CONNECT_ATTACHED,
	KPROXY_POINT_CONNECT_RETURNED,
	KPROXY_POINT_CONNECT_LOOK,
	KPROXY_POINT_IDLE_EVENT,
	KPROXY_POINT_IDLE_CONNECTED,
	KPROXY_POINT_DISCONNECT,
	KPROXY_POINT_CHOOSE_ASSIGN,
	KPROXY_POINT_NEXT_SERVER,
	KPROXY_POINT_CONNECT_DOWN,
	KPROXY_POINT_RECONNECT,
	KPROXY_POINT_ENQUEUE,
	KPROXY_POINT_CHOOSE_AGAIN,
	KPROXY_POINT_DEQUEUED,
	/* session-pump.c */
	KPROXY_POINT_DATA_READY,
	KPROXY_POINT_DATA_BUSY,
	KPROXY_POINT_PUMP_LOCK,
	KPROXY_POINT_PUMP_OWNED,
	KPROXY_POINT_PUMP_RETRY,
	KPROXY_POINT_WRITE_SPACE,
	KPROXY_POINT_COALESCE,
	KPROXY_POINT_COALESCE_TIMER,
	KPROXY_POINT_FAILED,
	KPROXY_POINT_FLUSH,
	/* session-table.c, drain.c, netns.c, upstream.c */
	KPROXY_POINT_KILL,
	KPROXY_POINT_KILL_ALL,
	KPROXY_POINT_DRAIN_STEP,
	KPROXY_POINT_NETNS_EXIT,
	KPROXY_POINT_SERVER_DOWN,
	KPROXY_POINT_SERVER_DEL,
	/* choice.c, queue.c, health.c, check.c */
	KPROXY_POINT_CHOICE_PUBLISH,
	KPROXY_POINT_CHOICE_TAKE,
	KPROXY_POINT_CHOICE_RELEASE,
	KPROXY_POINT_QUEUE_WAKE,
	KPROXY_POINT_HEALTH_FAILED,
	KPROXY_POINT_CHECK_CHANGED,
	KPROXY_POINT_CHECK_CONNECT,
	KPROXY_POINT_CHECK_END,
	/* preconnect.c */
	KPROXY_POINT_IDLE_CHANGED,
	KPROXY_POINT_IDLE_DEAD,
	KPROXY_POINT_IDLE_LISTED,
	KPROXY_POINT_IDLE_TAKE,
	KPROXY_POINT_IDLE_TAKEN,
	KPROXY_POINT_IDLE_CLOSE,
	KPROXY_POINT_IDLE_REAP,
	/* start.c, listen-sock.c, fastopen.c, sock.c */
	KPROXY_POINT_START_HANDED,
	KPROXY_POINT_ACCEPT,
	KPROXY_POINT_ACCEPTED,
	KPROXY_POINT_LSOCK_READY,
	KPROXY_POINT_LSOCK_CLOSE,
	KPROXY_POINT_LSOCK_CLOSED,
	KPROXY_POINT_LSOCK_FLUSH,
	KPROXY_POINT_LSOCK_TAKE,
	KPROXY_POINT_LSOCK_ATTACH,
	KPROXY_POINT_FASTOPEN_SEND,
	KPROXY_POINT_FASTOPEN_SENT,
	KPROXY_POINT_SOCK_DETACH,
	KPROXY_POINT_SOCK_CLOSE,

	KPROXY_POINTS
};

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
DECLARE_STATIC_KEY_FALSE(kproxy_fault_points);

void kproxy_fault_init(void);
void kproxy_fault_exit(void);
size_t kproxy_fault_send(size_t len);
int kproxy_fault_insert(void);
void kproxy_fault_reach(enum kproxy_point point);

/**
 * kproxy_fault_point() - mark a point at which a race may happen
 * @point: the point
 *
 * Context: any but hardirq; sleeps only where that is allowed.
 */
static inline void kproxy_fault_point(enum kproxy_point point)
{
	if (static_branch_unlikely(&kproxy_fault_points))
		kproxy_fault_reach(point);
}
#else
static inline void kproxy_fault_init(void)
{
}

static inline void kproxy_fault_exit(void)
{
}

static inline size_t kproxy_fault_send(size_t len)
{
	return len;
}

static inline int kproxy_fault_insert(void)
{
	return 0;
}

static inline void kproxy_fault_point(enum kproxy_point point)
{
}
#endif

#endif /* _KPROXY_FAULT_H */
