/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_NL_RECEIVE_H
#define KPROXY_NL_RECEIVE_H

struct nl_sock;
struct sockaddr_nl;
struct ucred;

/**
 * nl_receive() - receive a message of the kernel's, as nl_recv() does
 * @sock: the socket
 * @from: gets the sender
 * @buf: gets the message, for free()
 * @creds: not used
 *
 * What other processes have sent is dropped: any that has CAP_NET_ADMIN in the
 * network namespace can send to this socket, and libnl does not look at the
 * sender.
 *
 * Return: length of the message; 0 if the socket does not block and there is
 * none of the kernel's now; a negative error number of libnl's
 */
int nl_receive(struct nl_sock *sock, struct sockaddr_nl *from,
	       unsigned char **buf, struct ucred **creds);

#endif
