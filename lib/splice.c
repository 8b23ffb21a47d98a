// SPDX-License-Identifier: BSD-3-Clause
/*
 * libkproxy. Each call of kproxy_splice() has a netlink socket of its own, so
 * that the library keeps no state: it can be called by threads, after fork()
 * and after a change of user or namespace.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/kproxy.h>
#include <linux/kproxy_splice.h>
#include <linux/netlink.h>

#include <kproxy/splice.h>

#define SAME_REASON(name) \
	_Static_assert((int)KPROXY_SPLICE_##name == (int)KPROXY_REASON_##name, \
		       "the kernel's reason")

SAME_REASON(CLIENT_FIN);
SAME_REASON(SERVER_FIN);
SAME_REASON(CLIENT_RESET);
SAME_REASON(SERVER_RESET);
SAME_REASON(IDLE_TIMEOUT);
SAME_REASON(KILLED);
SAME_REASON(SHUTDOWN);
SAME_REASON(LIMIT);
SAME_REASON(UNSPLICED);

/* Room for a request, and for the part of a reply that is looked at. */
#define MESSAGE_SIZE 4096

struct message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[MESSAGE_SIZE - sizeof(struct nlmsghdr) -
		   sizeof(struct genlmsghdr)];
};

_Static_assert(sizeof(struct message) == MESSAGE_SIZE, "no holes");

static void message_init(struct message *m, uint16_t family, uint8_t cmd,
			 uint8_t version)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m->head.nlmsg_type = family;
	m->head.nlmsg_flags = NLM_F_REQUEST;
	m->head.nlmsg_seq = 1;
	m->genl.cmd = cmd;
	m->genl.version = version;
}

static void message_add(struct message *m, uint16_t kind, const void *data,
			size_t len)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = kind };
	char *to = (char *)m + m->head.nlmsg_len;

	memcpy(to, &attr, sizeof(attr));
	memcpy(to + NLA_HDRLEN, data, len);
	m->head.nlmsg_len += NLA_ALIGN(attr.nla_len);
}

/* The attribute's payload, of at least @size bytes, or NULL. */
static const void *message_find(const struct message *m, uint16_t kind,
				size_t size)
{
	size_t at = sizeof(m->head) + sizeof(m->genl);
	struct nlattr attr;

	while (at + sizeof(attr) <= m->head.nlmsg_len) {
		memcpy(&attr, (const char *)m + at, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN ||
		    attr.nla_len > m->head.nlmsg_len - at)
			break;
		if ((attr.nla_type & NLA_TYPE_MASK) == kind &&
		    attr.nla_len >= NLA_HDRLEN + size)
			return (const char *)m + at + NLA_HDRLEN;
		at += NLA_ALIGN(attr.nla_len);
	}
	return NULL;
}

/*
 * Send a request, and store the reply in its place. The kernel has replied when
 * sendto() returns. 0, or -1 and errno.
 */
static int message_exchange(int nl, struct message *m)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsgerr error;
	ssize_t len;

	do
		len = sendto(nl, m, m->head.nlmsg_len, 0,
			     (struct sockaddr *)&kernel, sizeof(kernel));
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -1;
	do
		len = recv(nl, m, sizeof(*m), 0);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -1;
	if ((size_t)len < sizeof(m->head) || m->head.nlmsg_len > (size_t)len ||
	    m->head.nlmsg_len < sizeof(m->head) + sizeof(m->genl)) {
		errno = EPROTO;
		return -1;
	}
	if (m->head.nlmsg_type != NLMSG_ERROR)
		return 0;
	memset(&error, 0, sizeof(error));
	memcpy(&error, NLMSG_DATA(&m->head), sizeof(error.error));
	errno = error.error ? -error.error : EPROTO;
	return -1;
}

/* Exchange, and copy an attribute of the reply. 0, or -1 and errno. */
static int message_ask(int nl, struct message *m, uint16_t type, void *value,
		       size_t size)
{
	const void *found;

	if (message_exchange(nl, m))
		return -1;
	found = message_find(m, type, size);
	if (!found) {
		errno = EPROTO;
		return -1;
	}
	memcpy(value, found, size);
	return 0;
}

static int find_family(int nl)
{
	struct message m;
	uint16_t family;

	message_init(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	message_add(&m, CTRL_ATTR_FAMILY_NAME, KPROXY_FAMILY_NAME,
		    sizeof(KPROXY_FAMILY_NAME));
	if (!message_ask(nl, &m, CTRL_ATTR_FAMILY_ID, &family, sizeof(family)))
		return family;
	/* The module is not loaded. */
	if (errno == ENOENT)
		errno = ENOSYS;
	return -1;
}

/* Later versions have more fields; those this one does not know must be 0. */
static int read_options(struct kproxy_splice_options *to,
			const struct kproxy_splice_options *from)
{
	const unsigned char *rest = (const unsigned char *)from + sizeof(*to);
	size_t i;

	memset(to, 0, sizeof(*to));
	if (!from)
		return 0;
	if (from->size < sizeof(*to)) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < from->size - sizeof(*to); i++) {
		if (rest[i]) {
			errno = E2BIG;
			return -1;
		}
	}
	*to = *from;
	if ((to->flags & ~(uint32_t)KPROXY_SPLICE_DETACH) ||
	    (to->label && strlen(to->label) > KPROXY_NAME_MAX)) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

static int request(int nl, int a, int b,
		   const struct kproxy_splice_options *options)
{
	uint32_t flags = KPROXY_SPLICE_FLAG_DETACH;
	int family = find_family(nl);
	struct message m;
	int fd;

	if (family < 0)
		return -1;
	message_init(&m, family, KPROXY_CMD_SPLICE, KPROXY_FAMILY_VERSION);
	message_add(&m, KPROXY_A_SPLICE_A, &a, sizeof(a));
	message_add(&m, KPROXY_A_SPLICE_B, &b, sizeof(b));
	if (options->label)
		message_add(&m, KPROXY_A_SPLICE_LABEL, options->label,
			    strlen(options->label) + 1);
	message_add(&m, KPROXY_A_SPLICE_BYTES_A, &options->bytes[0],
		    sizeof(options->bytes[0]));
	message_add(&m, KPROXY_A_SPLICE_BYTES_B, &options->bytes[1],
		    sizeof(options->bytes[1]));
	message_add(&m, KPROXY_A_SPLICE_IDLE_TIMEOUT, &options->idle_ms,
		    sizeof(options->idle_ms));
	if (options->flags & KPROXY_SPLICE_DETACH)
		message_add(&m, KPROXY_A_SPLICE_FLAGS, &flags, sizeof(flags));
	if (message_ask(nl, &m, KPROXY_A_SPLICE_FD, &fd, sizeof(fd)))
		return -1;
	return fd;
}

int kproxy_splice(int a, int b, const struct kproxy_splice_options *options)
{
	struct kproxy_splice_options known;
	int nl, splice, error;

	if (a < 0 || b < 0) {
		errno = EBADF;
		return -1;
	}
	if (read_options(&known, options))
		return -1;
	nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl < 0)
		return -1;
	splice = request(nl, a, b, &known);
	error = errno;
	close(nl);
	errno = error;
	return splice;
}

static int write_result(struct kproxy_splice_result *to,
			const struct kproxy_splice_report *report)
{
	struct kproxy_splice_result result = {
		.size = sizeof(result),
		.bytes = { report->bytes[0], report->bytes[1] },
		.spliced = report->spliced,
		.copied = report->copied,
		.reason = report->reason,
		.eof = report->eof,
	};

	if (!to)
		return 0;
	if (to->size < sizeof(result)) {
		errno = EINVAL;
		return -1;
	}
	if (to->size > sizeof(result))
		memset((char *)to + sizeof(result), 0,
		       to->size - sizeof(result));
	result.size = to->size;
	*to = result;
	return 0;
}

int kproxy_splice_wait(int splice, struct kproxy_splice_result *result)
{
	struct kproxy_splice_report report;
	ssize_t len;

	memset(&report, 0, sizeof(report));
	len = recv(splice, &report, sizeof(report), MSG_PEEK);
	if (len < 0)
		return -1;
	if (!len) {
		/* It has ended, but there was no memory for the report. */
		errno = ENOBUFS;
		return -1;
	}
	return write_result(result, &report);
}

int kproxy_unsplice(int splice, struct kproxy_splice_result *result)
{
	struct pollfd ended = { .fd = splice, .events = POLLIN };

	if (shutdown(splice, SHUT_WR))
		return -1;
	while (poll(&ended, 1, -1) < 0)
		if (errno != EINTR)
			return -1;
	return kproxy_splice_wait(splice, result);
}
