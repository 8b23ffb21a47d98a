// SPDX-License-Identifier: GPL-2.0
/*
 * Failures and delays for tests, because they are too rare otherwise. Compiled
 * only for kernels with fault injection. Three debugfs directories have the
 * usual attributes of fault injection:
 *
 * fail_kproxy_send: a socket takes nothing of a send, or only a part.
 *
 * fail_kproxy_insert: a session can't be inserted into the table.
 *
 * fail_kproxy_point: a CPU is delayed at a point; it has some more files:
 *
 *   points    names of points, "all" or "none"; "none" counts no point either
 *   delay     microseconds; a CPU that may not sleep spins, SPIN_MAX_US at most
 *   random    use a random delay, up to that
 *   cpu       only this CPU; -1 for any
 *   delaying  how many CPUs and tasks are being delayed now
 *   release   a write ends all of these delays
 *   hits      by point: how often it was reached and delayed; a write resets it
 */
#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "fault.h"

#define SPIN_MAX_US (20 * USEC_PER_MSEC)
#define SLEEP_MAX_US (2 * USEC_PER_SEC)

/* All names, separated by spaces. */
#define POINTS_TEXT_MAX 4096

static const char * const names[KPROXY_POINTS] = {
	[KPROXY_POINT_LIFE_END] = "life_end",
	[KPROXY_POINT_LIFE_GREET] = "life_greet",
	[KPROXY_POINT_LIFE_CONNECT] = "life_connect",
	[KPROXY_POINT_LIFE_OWNER] = "life_owner",
	[KPROXY_POINT_END_TABLE] = "end_table",
	[KPROXY_POINT_END_DETACH] = "end_detach",
	[KPROXY_POINT_END_TIMER] = "end_timer",
	[KPROXY_POINT_END_WORK] = "end_work",
	[KPROXY_POINT_END_CLOSE] = "end_close",
	[KPROXY_POINT_END_RELEASE] = "end_release",
	[KPROXY_POINT_END_PUT] = "end_put",
	[KPROXY_POINT_EVENT] = "event",
	[KPROXY_POINT_EVENT_FINAL] = "event_final",
	[KPROXY_POINT_EVENT_TIMER] = "event_timer",
	[KPROXY_POINT_SOCKET_CHANGED] = "socket_changed",
	[KPROXY_POINT_BOTH_CLOSED] = "both_closed",
	[KPROXY_POINT_CLIENT_CHANGED] = "client_changed",
	[KPROXY_POINT_SERVER_CHANGED] = "server_changed",
	[KPROXY_POINT_EOF] = "eof",
	[KPROXY_POINT_TIMER] = "timer",
	[KPROXY_POINT_TIMER_CONNECT] = "timer_connect",
	[KPROXY_POINT_GREET_READ] = "greet_read",
	[KPROXY_POINT_GREET_ENTERED] = "greet_entered",
	[KPROXY_POINT_GREETED] = "greeted",
	[KPROXY_POINT_START_BEGUN] = "start_begun",
	[KPROXY_POINT_START_ATTACH] = "start_attach",
	[KPROXY_POINT_START_ATTACHED] = "start_attached",
	[KPROXY_POINT_CONNECT_CHANGED] = "connect_changed",
	[KPROXY_POINT_CONNECT_ESTABLISHED] = "connect_established",
	[KPROXY_POINT_CONNECT_FAILED] = "connect_failed",
	[KPROXY_POINT_CONNECT_ATTACHED] = "connect_attached",
	[KPROXY_POINT_CONNECT_RETURNED] = "connect_returned",
	[KPROXY_POINT_CONNECT_LOOK] = "connect_look",
	[KPROXY_POINT_IDLE_EVENT] = "idle_event",
	[KPROXY_POINT_IDLE_CONNECTED] = "idle_connected",
	[KPROXY_POINT_DISCONNECT] = "disconnect",
	[KPROXY_POINT_CHOOSE_ASSIGN] = "choose_assign",
	[KPROXY_POINT_NEXT_SERVER] = "next_server",
	[KPROXY_POINT_CONNECT_DOWN] = "connect_down",
	[KPROXY_POINT_RECONNECT] = "reconnect",
	[KPROXY_POINT_ENQUEUE] = "enqueue",
	[KPROXY_POINT_CHOOSE_AGAIN] = "choose_again",
	[KPROXY_POINT_DEQUEUED] = "dequeued",
	[KPROXY_POINT_DATA_READY] = "data_ready",
	[KPROXY_POINT_DATA_BUSY] = "data_busy",
	[KPROXY_POINT_PUMP_LOCK] = "pump_lock",
	[KPROXY_POINT_PUMP_OWNED] = "pump_owned",
	[KPROXY_POINT_PUMP_RETRY] = "pump_retry",
	[KPROXY_POINT_WRITE_SPACE] = "write_space",
	[KPROXY_POINT_COALESCE] = "coalesce",
	[KPROXY_POINT_COALESCE_TIMER] = "coalesce_timer",
	[KPROXY_POINT_FAILED] = "failed",
	[KPROXY_POINT_FLUSH] = "flush",
	[KPROXY_POINT_KILL] = "kill",
	[KPROXY_POINT_KILL_ALL] = "kill_all",
	[KPROXY_POINT_DRAIN_STEP] = "drain_step",
	[KPROXY_POINT_NETNS_EXIT] = "netns_exit",
	[KPROXY_POINT_SERVER_DOWN] = "server_down",
	[KPROXY_POINT_SERVER_DEL] = "server_del",
	[KPROXY_POINT_CHOICE_PUBLISH] = "choice_publish",
	[KPROXY_POINT_CHOICE_TAKE] = "choice_take",
	[KPROXY_POINT_CHOICE_RELEASE] = "choice_release",
	[KPROXY_POINT_QUEUE_WAKE] = "queue_wake",
	[KPROXY_POINT_HEALTH_FAILED] = "health_failed",
	[KPROXY_POINT_CHECK_CHANGED] = "check_changed",
	[KPROXY_POINT_CHECK_CONNECT] = "check_connect",
	[KPROXY_POINT_CHECK_END] = "check_end",
	[KPROXY_POINT_IDLE_CHANGED] = "idle_changed",
	[KPROXY_POINT_IDLE_DEAD] = "idle_dead",
	[KPROXY_POINT_IDLE_LISTED] = "idle_listed",
	[KPROXY_POINT_IDLE_TAKE] = "idle_take",
	[KPROXY_POINT_IDLE_TAKEN] = "idle_taken",
	[KPROXY_POINT_IDLE_CLOSE] = "idle_close",
	[KPROXY_POINT_IDLE_REAP] = "idle_reap",
	[KPROXY_POINT_START_HANDED] = "start_handed",
	[KPROXY_POINT_ACCEPT] = "accept",
	[KPROXY_POINT_ACCEPTED] = "accepted",
	[KPROXY_POINT_LSOCK_READY] = "lsock_ready",
	[KPROXY_POINT_LSOCK_CLOSE] = "lsock_close",
	[KPROXY_POINT_LSOCK_CLOSED] = "lsock_closed",
	[KPROXY_POINT_LSOCK_FLUSH] = "lsock_flush",
	[KPROXY_POINT_LSOCK_TAKE] = "lsock_take",
	[KPROXY_POINT_LSOCK_ATTACH] = "lsock_attach",
	[KPROXY_POINT_FASTOPEN_SEND] = "fastopen_send",
	[KPROXY_POINT_FASTOPEN_SENT] = "fastopen_sent",
	[KPROXY_POINT_SOCK_DETACH] = "sock_detach",
	[KPROXY_POINT_SOCK_CLOSE] = "sock_close",
	[KPROXY_POINT_SOCK_UNCOUNT] = "sock_uncount",
	[KPROXY_POINT_SOCK_UNCOUNTED] = "sock_uncounted",
	[KPROXY_POINT_SOCK_RETURNED] = "sock_returned",
	[KPROXY_POINT_SPLICE_PUBLISHED] = "splice_published",
	[KPROXY_POINT_SPLICE_BORROWED] = "splice_borrowed",
	[KPROXY_POINT_SPLICE_GO] = "splice_go",
	[KPROXY_POINT_SPLICE_CHECKED] = "splice_checked",
	[KPROXY_POINT_SPLICE_CHANGED] = "splice_changed",
	[KPROXY_POINT_SPLICE_WAKE] = "splice_wake",
	[KPROXY_POINT_SPLICE_QUIET] = "splice_quiet",
};

DEFINE_STATIC_KEY_FALSE(kproxy_fault_points);

static DECLARE_FAULT_ATTR(fail_kproxy_send);
static DECLARE_FAULT_ATTR(fail_kproxy_insert);
static DECLARE_FAULT_ATTR(fail_kproxy_point);
static struct dentry *send_dir, *insert_dir, *point_dir;

/* Serialises writers of the points' attributes. */
static DEFINE_MUTEX(points_lock);
static DECLARE_BITMAP(chosen, KPROXY_POINTS);
static u32 delay_us = 1000;
static bool random_delay;
static atomic_t only_cpu = ATOMIC_INIT(-1);

static atomic_t delaying;
/* Incremented by each release. */
static unsigned int released;
static atomic_t reached[KPROXY_POINTS];
static atomic_t delayed[KPROXY_POINTS];

/* Delay until @us have passed or a test ends the delay by a release. */
static void point_delay(u32 us)
{
	bool sleeps = preemptible() && !rcu_preempt_depth();
	unsigned int began = READ_ONCE(released);
	ktime_t end;

	us = min_t(u32, us, sleeps ? SLEEP_MAX_US : SPIN_MAX_US);
	end = ktime_add_us(ktime_get(), us);
	atomic_inc(&delaying);
	while (READ_ONCE(released) == began && ktime_before(ktime_get(), end)) {
		if (sleeps)
			usleep_range(50, 200);
		else
			udelay(5);
	}
	atomic_dec(&delaying);
}

/**
 * kproxy_fault_reach() - count a point, and delay the caller if a test wants it
 * @point: where the caller is
 *
 * Context: any but hardirq; sleeps only where that is allowed.
 */
void kproxy_fault_reach(enum kproxy_point point)
{
	int cpu = atomic_read(&only_cpu);
	u32 us = READ_ONCE(delay_us);

	atomic_inc(&reached[point]);
	if (!test_bit(point, chosen) ||
	    (cpu >= 0 && cpu != raw_smp_processor_id()) ||
	    !should_fail(&fail_kproxy_point, 1))
		return;
	atomic_inc(&delayed[point]);
	if (READ_ONCE(random_delay))
		us = get_random_u32_below(us + 1);
	point_delay(us);
}

/* Choose the points named in a text. */
static int points_parse(char *text, unsigned long *points)
{
	char *word;
	int i;

	while ((word = strsep(&text, " \t\n"))) {
		if (!*word || !strcmp(word, "none"))
			continue;
		if (!strcmp(word, "all")) {
			bitmap_fill(points, KPROXY_POINTS);
			continue;
		}
		i = match_string(names, KPROXY_POINTS, word);
		if (i < 0)
			return i;
		__set_bit(i, points);
	}
	return 0;
}

static ssize_t points_write(struct file *file, const char __user *from,
			    size_t count, loff_t *pos)
{
	DECLARE_BITMAP(points, KPROXY_POINTS) = {};
	char *text;
	int err;

	if (count > POINTS_TEXT_MAX)
		return -EINVAL;
	text = memdup_user_nul(from, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	err = points_parse(text, points);
	kfree(text);
	if (err)
		return err;
	mutex_lock(&points_lock);
	bitmap_copy(chosen, points, KPROXY_POINTS);
	if (bitmap_empty(points, KPROXY_POINTS))
		static_branch_disable(&kproxy_fault_points);
	else
		static_branch_enable(&kproxy_fault_points);
	mutex_unlock(&points_lock);
	return count;
}

static int points_show(struct seq_file *seq, void *unused)
{
	int i;

	for_each_set_bit(i, chosen, KPROXY_POINTS)
		seq_printf(seq, "%s\n", names[i]);
	return 0;
}

DEFINE_SHOW_STORE_ATTRIBUTE(points);

static ssize_t hits_write(struct file *file, const char __user *from,
			  size_t count, loff_t *pos)
{
	int i;

	for (i = 0; i < KPROXY_POINTS; i++) {
		atomic_set(&reached[i], 0);
		atomic_set(&delayed[i], 0);
	}
	return count;
}

static int hits_show(struct seq_file *seq, void *unused)
{
	int i;

	for (i = 0; i < KPROXY_POINTS; i++)
		seq_printf(seq, "%s %d %d\n", names[i],
			   atomic_read(&reached[i]), atomic_read(&delayed[i]));
	return 0;
}

DEFINE_SHOW_STORE_ATTRIBUTE(hits);

static int release_set(void *data, u64 value)
{
	mutex_lock(&points_lock);
	WRITE_ONCE(released, released + 1);
	mutex_unlock(&points_lock);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(release_fops, NULL, release_set, "%llu\n");

static void point_create_files(void)
{
	const umode_t mode = 0600;

	debugfs_create_file("points", mode, point_dir, NULL, &points_fops);
	debugfs_create_u32("delay", mode, point_dir, &delay_us);
	debugfs_create_bool("random", mode, point_dir, &random_delay);
	debugfs_create_atomic_t("cpu", mode, point_dir, &only_cpu);
	debugfs_create_atomic_t("delaying", 0400, point_dir, &delaying);
	debugfs_create_file_unsafe("release", 0200, point_dir, NULL,
				   &release_fops);
	debugfs_create_file("hits", mode, point_dir, NULL, &hits_fops);
}

/**
 * kproxy_fault_init() - create the attributes in debugfs
 *
 * Errors are ignored, because nothing is injected without the attributes.
 *
 * Context: process, may sleep.
 */
void kproxy_fault_init(void)
{
	insert_dir = fault_create_debugfs_attr("fail_kproxy_insert", NULL,
					       &fail_kproxy_insert);
	send_dir = fault_create_debugfs_attr("fail_kproxy_send", NULL,
					     &fail_kproxy_send);
	point_dir = fault_create_debugfs_attr("fail_kproxy_point", NULL,
					      &fail_kproxy_point);
	if (!IS_ERR(point_dir))
		point_create_files();
}

/**
 * kproxy_fault_exit() - remove the attributes
 *
 * No point is reached any more: this comes last, so that all of the teardown
 * can be delayed, too.
 *
 * Context: process, may sleep.
 */
void kproxy_fault_exit(void)
{
	debugfs_remove(insert_dir);
	debugfs_remove(point_dir);
	debugfs_remove(send_dir);
}

/**
 * kproxy_fault_send() - decide how much of a batch to offer to a socket
 * @len: bytes of the batch, not 0
 *
 * Context: any.
 * Return: @len; or on an injected failure, equally often 0, which stands for
 * -EAGAIN, or a random number below @len.
 */
size_t kproxy_fault_send(size_t len)
{
	if (likely(!should_fail(&fail_kproxy_send, len)))
		return len;
	return get_random_u32_below(2) ? get_random_u32_below(len) : 0;
}

/**
 * kproxy_fault_insert() - decide whether to fail an insertion into the table
 *
 * Context: any.
 * Return: 0, or -EBUSY, like rhashtable while it is already growing.
 */
int kproxy_fault_insert(void)
{
	return should_fail(&fail_kproxy_insert, 1) ? -EBUSY : 0;
}
