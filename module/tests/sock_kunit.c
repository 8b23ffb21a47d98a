// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/net.h>
#include <net/inet_connection_sock.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "../compat.h"
#include "../sock.h"

/* A socket, and counts of its events. */
struct told {
	struct kproxy_sock ks;
	int data, space, changes;
};

static void told_data(struct kproxy_sock *ks)
{
	container_of(ks, struct told, ks)->data++;
}

static void told_space(struct kproxy_sock *ks)
{
	container_of(ks, struct told, ks)->space++;
}

static void told_change(struct kproxy_sock *ks)
{
	container_of(ks, struct told, ks)->changes++;
}

static const struct kproxy_sock_ops told_ops = {
	.data_ready = told_data,
	.write_space = told_space,
	.changed = told_change,
};

static struct socket *new_socket(struct kunit *test)
{
	struct socket *socket;

	KUNIT_ASSERT_EQ(test, kproxy_sock_create(&init_net, AF_INET, &socket),
			0);
	return socket;
}

static void report_all(struct sock *sk)
{
	local_bh_disable();
	sk->sk_data_ready(sk);
	sk->sk_write_space(sk);
	sk->sk_state_change(sk);
	sk->sk_error_report(sk);
	local_bh_enable();
}

static void expect_told(struct kunit *test, const struct told *told, int times)
{
	KUNIT_EXPECT_EQ(test, told->data, times);
	KUNIT_EXPECT_EQ(test, told->space, times);
	KUNIT_EXPECT_EQ(test, told->changes, 2 * times);
}

static void attached_socket_reports(struct kunit *test)
{
	struct socket *socket = new_socket(test);
	struct sock *sk = socket->sk;
	void (*before)(struct sock *sk) = sk->sk_data_ready;
	struct told told = {};

	kproxy_sock_attach_new(&told.ks, socket, &told_ops);
	report_all(sk);
	expect_told(test, &told, 1);
	kproxy_sock_detach(&told.ks);
	report_all(sk);
	expect_told(test, &told, 1);
	KUNIT_EXPECT_PTR_EQ(test, sk->sk_data_ready, before);
	KUNIT_EXPECT_PTR_EQ(test, sk->sk_user_data, NULL);
	kproxy_sock_abort(&told.ks);
}

static const uintptr_t foreign_flags[] = {
	SK_USER_DATA_NOCOPY | SK_USER_DATA_PSOCK,
	SK_USER_DATA_NOCOPY | SK_USER_DATA_BPF,
	SK_USER_DATA_PSOCK,
	SK_USER_DATA_BPF,
	0,
};

static void flags_name(const uintptr_t *flags, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu", *flags);
}

KUNIT_ARRAY_PARAM(foreign, foreign_flags, flags_name);

/* The pointer is invalid, so following it would crash. */
static void owner_of_others_is_not_followed(struct kunit *test)
{
	const uintptr_t *flags = test->param_value;
	struct socket *socket = new_socket(test);
	struct sock *sk = socket->sk;
	struct told told = {};
	void *ours;

	kproxy_sock_attach_new(&told.ks, socket, &told_ops);
	ours = sk->sk_user_data;
	sk->sk_user_data = (void *)(8 | *flags);
	report_all(sk);
	expect_told(test, &told, 0);
	sk->sk_user_data = ours;
	kproxy_sock_detach(&told.ks);
	kproxy_sock_abort(&told.ks);
}

static void passed_socket_reports_to_the_next(struct kunit *test)
{
	struct socket *socket = new_socket(test);
	struct sock *sk = socket->sk;
	void (*before)(struct sock *sk) = sk->sk_data_ready;
	struct told first = {}, next = {};

	kproxy_sock_attach_new(&first.ks, socket, &told_ops);
	kproxy_sock_pass(&first.ks, &next.ks, &told_ops);
	KUNIT_EXPECT_TRUE(test, sk_user_data_is_nocopy(sk));
	KUNIT_EXPECT_PTR_EQ(test, first.ks.socket, NULL);
	KUNIT_EXPECT_PTR_EQ(test, next.ks.socket, socket);
	report_all(sk);
	expect_told(test, &first, 0);
	expect_told(test, &next, 1);
	kproxy_sock_detach(&next.ks);
	KUNIT_EXPECT_PTR_EQ(test, sk->sk_data_ready, before);
	kproxy_sock_abort(&next.ks);
}

/* A listening socket at 127.0.0.1, and a client in its queue. */
struct pair {
	struct told listener;
	struct socket *client;
};

static void pair_open(struct kunit *test, struct pair *pair)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
	} addr = { .v4 = { .sin_family = AF_INET,
			   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	struct socket *socket = new_socket(test);

	KUNIT_ASSERT_EQ(test,
			kernel_bind(socket, (struct sockaddr_unsized *)&addr,
				    sizeof(addr)), 0);
	kproxy_sock_attach_listener(&pair->listener.ks, socket, &told_ops);
	KUNIT_ASSERT_EQ(test, kernel_listen(socket, 8), 0);
	addr.v4.sin_port = inet_sk(socket->sk)->inet_sport;
	pair->client = new_socket(test);
	KUNIT_ASSERT_EQ(test,
			kernel_connect(pair->client,
				       (struct sockaddr_unsized *)&addr,
				       sizeof(addr), 0), 0);
	while (reqsk_queue_empty(&inet_csk(socket->sk)->icsk_accept_queue))
		cond_resched();
}

static void pair_close(struct pair *pair)
{
	kproxy_sock_reset(pair->client);
	kproxy_sock_detach(&pair->listener.ks);
	kproxy_sock_abort(&pair->listener.ks);
}

static struct sock *waiting_child(const struct pair *pair)
{
	struct inet_connection_sock *icsk = inet_csk(pair->listener.ks.sk);

	return icsk->icsk_accept_queue.rskq_accept_head->sk;
}

static void child_is_kept_from_its_first_moment(struct kunit *test)
{
	struct pair pair = {};
	struct told told = {};
	struct socket *socket;
	struct sock *child;

	pair_open(test, &pair);
	child = waiting_child(&pair);
	KUNIT_EXPECT_PTR_NE(test, child->sk_user_data, NULL);
	pair.listener.changes = 0;
	pair.listener.data = 0;
	report_all(child);
	expect_told(test, &pair.listener, 0);
	KUNIT_ASSERT_EQ(test, kproxy_sock_accept(&pair.listener.ks, &socket),
			0);
	KUNIT_EXPECT_PTR_EQ(test, socket->sk, child);
	kproxy_sock_attach(&told.ks, socket, &pair.listener.ks, &told_ops);
	KUNIT_EXPECT_TRUE(test, sk_user_data_is_nocopy(child));
	report_all(child);
	expect_told(test, &told, 1);
	kproxy_sock_detach(&told.ks);
	KUNIT_EXPECT_PTR_EQ(test, child->sk_data_ready,
			    pair.client->sk->sk_data_ready);
	kproxy_sock_abort(&told.ks);
	pair_close(&pair);
}

static void child_of_another_owner_is_reset(struct kunit *test)
{
	struct pair pair = {};
	struct socket *socket;
	struct sock *child;

	pair_open(test, &pair);
	child = waiting_child(&pair);
	child->sk_user_data = (void *)(8 | SK_USER_DATA_NOCOPY |
				       SK_USER_DATA_PSOCK);
	KUNIT_EXPECT_EQ(test, kproxy_sock_accept(&pair.listener.ks, &socket),
			-EBUSY);
	kproxy_sock_reset(socket);
	KUNIT_EXPECT_EQ(test, kproxy_sock_accept(&pair.listener.ks, &socket),
			-EAGAIN);
	while (READ_ONCE(pair.client->sk->sk_state) != TCP_CLOSE)
		cond_resched();
	KUNIT_EXPECT_EQ(test, pair.client->sk->sk_err, ECONNRESET);
	pair_close(&pair);
}

static void child_of_another_protocol_is_reset(struct kunit *test)
{
	struct pair pair = {};
	struct socket *socket;
	struct sock *child;
	static struct proto other;

	pair_open(test, &pair);
	child = waiting_child(&pair);
	other = *child->sk_prot;
	WRITE_ONCE(child->sk_prot, &other);
	KUNIT_EXPECT_EQ(test, kproxy_sock_accept(&pair.listener.ks, &socket),
			-EBUSY);
	kproxy_sock_reset(socket);
	pair_close(&pair);
}

static void loop_is_a_connection_to_itself(struct kunit *test)
{
	struct socket *socket = new_socket(test);
	struct inet_sock *inet = inet_sk(socket->sk);

	inet->inet_rcv_saddr = htonl(INADDR_LOOPBACK);
	inet->inet_daddr = htonl(INADDR_LOOPBACK);
	inet->inet_sport = htons(1);
	inet->inet_dport = htons(2);
	KUNIT_EXPECT_FALSE(test, kproxy_sock_is_own_peer(socket->sk));
	inet->inet_dport = htons(1);
	KUNIT_EXPECT_TRUE(test, kproxy_sock_is_own_peer(socket->sk));
	inet->inet_daddr = htonl(INADDR_LOOPBACK + 1);
	KUNIT_EXPECT_FALSE(test, kproxy_sock_is_own_peer(socket->sk));
	inet->inet_daddr = 0;
	inet->inet_rcv_saddr = 0;
	inet->inet_sport = 0;
	inet->inet_dport = 0;
	kproxy_sock_reset(socket);
}

static struct kunit_case sock_cases[] = {
	KUNIT_CASE(attached_socket_reports),
	KUNIT_CASE_PARAM(owner_of_others_is_not_followed, foreign_gen_params),
	KUNIT_CASE(passed_socket_reports_to_the_next),
	KUNIT_CASE(child_is_kept_from_its_first_moment),
	KUNIT_CASE(child_of_another_owner_is_reset),
	KUNIT_CASE(child_of_another_protocol_is_reset),
	KUNIT_CASE(loop_is_a_connection_to_itself),
	{}
};

static struct kunit_suite sock_suite = {
	.name = "kproxy_sock",
	.test_cases = sock_cases,
};

kunit_test_suite(sock_suite);
