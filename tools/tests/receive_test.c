// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of other processes. NETLINK_USERSOCK lets anybody send to anybody,
 * as CAP_NET_ADMIN does for generic netlink.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "nl-receive.h"
#include "tap.h"

static struct nl_sock *open_socket(int protocol)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock || nl_connect(sock, protocol))
		abort();
	nl_cb_overwrite_recv(nl_socket_get_cb(sock), nl_receive);
	return sock;
}

static int count(struct nl_msg *msg, void *arg)
{
	(void)msg;
	++*(int *)arg;
	return NL_OK;
}

static void forge(struct nl_sock *from, struct nl_sock *to, size_t size)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_pid = nl_socket_get_local_port(to) };
	struct nlmsghdr *hdr = calloc(1, size);

	if (!hdr)
		abort();
	hdr->nlmsg_len = size;
	hdr->nlmsg_type = NLMSG_MIN_TYPE;
	if (sendto(nl_socket_get_fd(from), hdr, size, 0,
		   (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	free(hdr);
}

/* Libnl takes them, or this would prove nothing. */
static void test_libnl_alone(void)
{
	struct nl_sock *sock = open_socket(NETLINK_USERSOCK);
	struct nl_sock *other = open_socket(NETLINK_USERSOCK);
	int seen = 0;

	nl_cb_overwrite_recv(nl_socket_get_cb(sock), NULL);
	nl_socket_disable_seq_check(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count, &seen);
	forge(other, sock, NLMSG_HDRLEN);
	nl_recvmsgs_default(sock);
	tap_ok(seen == 1, "libnl takes what another process has sent");
	nl_socket_free(sock);
	nl_socket_free(other);
}

static void test_forged(void)
{
	struct nl_sock *sock = open_socket(NETLINK_USERSOCK);
	struct nl_sock *other = open_socket(NETLINK_USERSOCK);
	int seen = 0;

	nl_socket_disable_seq_check(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count, &seen);
	nl_socket_set_nonblocking(sock);
	forge(other, sock, NLMSG_HDRLEN);
	tap_ok(!nl_recvmsgs_default(sock) && !seen, "it is dropped here");
	forge(other, sock, 40000);
	tap_ok(!nl_recvmsgs_default(sock) && !seen, "also a huge one");
	forge(sock, sock, NLMSG_HDRLEN);
	tap_ok(!nl_recvmsgs_default(sock) && !seen, "also our own");
	tap_ok(!nl_recvmsgs_default(sock), "when there is none, there is none");
	nl_socket_free(sock);
	nl_socket_free(other);
}

/* The kernel's come through, behind any number of forged ones. */
static void test_kernel(void)
{
	struct nl_sock *sock = open_socket(NETLINK_ROUTE);
	struct rtgenmsg any = { .rtgen_family = AF_UNSPEC };
	int seen = 0, err;

	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count, &seen);
	nl_send_simple(sock, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	err = nl_recvmsgs_default(sock);
	tap_ok(!err && seen, "what the kernel sends is received");
	nl_socket_free(sock);
}

int main(void)
{
	test_libnl_alone();
	test_forged();
	test_kernel();
	return tap_done();
}
