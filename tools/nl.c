// SPDX-License-Identifier: GPL-2.0
/*
 * One generic netlink socket for all commands of a run, with one request under
 * way at a time.
 */
#include "nl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <linux/kproxy.h>

#include "ack.h"
#include "alloc.h"
#include "ctx.h"
#include "netns.h"
#include "nl-receive.h"
#include "request.h"
#include "signals.h"

/* Events may come in bursts. */
#define EVENTS_SIZE (4 << 20)

/* The family has two groups. */
#define GROUPS_MAX 2

struct exchange {
	nl_reply_fn reply;
	void *arg;
	struct ack ack;
	size_t left;
	bool cut;
	bool over;
	bool interrupted;
};

/*
 * Receive from the kernel only. A connected socket takes no message that
 * another process sends to it; nl_receive() drops those to a group.
 */
static int connect_kernel(struct nl_sock *sock)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	struct nl_cb *cb = nl_socket_get_cb(sock);

	nl_cb_overwrite_recv(cb, nl_receive);
	nl_cb_put(cb);
	return connect(nl_socket_get_fd(sock),
		       (const struct sockaddr *)&kernel, sizeof(kernel));
}

static int open_sockets(struct ctx *ctx)
{
	ctx->ifd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ctx->ifd < 0)
		return -1;
	errno = 0;
	if (!genl_connect(ctx->sock))
		return connect_kernel(ctx->sock);
	/* libnl's own error numbers say less. */
	if (!errno)
		errno = EPROTONOSUPPORT;
	return -1;
}

/* A kernel that lacks one of these gives shorter error messages. */
static void set_options(struct nl_sock *sock)
{
	const int names[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK,
			      NETLINK_GET_STRICT_CHK };
	int on = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, names[i], &on,
			   sizeof(on));
}

static int open_here(struct ctx *ctx)
{
	struct ctx plain = ctx_plain(ctx);

	if (open_sockets(ctx))
		return ctx_fail(&plain, STATUS_KERNEL,
				"cannot open a netlink socket: %s",
				strerror(errno));
	return STATUS_DONE;
}

static int open_in_netns(struct ctx *ctx)
{
	struct ctx plain = ctx_plain(ctx);
	int home, status;

	home = netns_enter(ctx->netns);
	if (home < 0)
		return ctx_refuse(&plain, "network namespace \"%s\": %s",
				  ctx->netns, strerror(errno));
	status = open_here(ctx);
	if (netns_leave(home) && !status)
		status = ctx_refuse(&plain, "cannot leave network namespace \"%s\": %s",
				    ctx->netns, strerror(errno));
	return status;
}

void nl_shut(struct ctx *ctx)
{
	if (ctx->ifd >= 0)
		close(ctx->ifd);
	nl_socket_free(ctx->sock);
	ctx->ifd = -1;
	ctx->sock = NULL;
}

int nl_open(struct ctx *ctx)
{
	int status;

	if (ctx->sock)
		return STATUS_DONE;
	ctx->sock = nl_socket_alloc();
	if (!ctx->sock)
		alloc_failed();
	status = ctx->netns ? open_in_netns(ctx) : open_here(ctx);
	if (status)
		nl_shut(ctx);
	else
		set_options(ctx->sock);
	return status;
}

bool nl_find(struct ctx *ctx)
{
	if (!ctx->family)
		ctx->family = genl_ctrl_resolve(ctx->sock, KPROXY_FAMILY_NAME);
	if (ctx->family < 0)
		ctx->family = 0;
	return ctx->family;
}

void nl_forget(struct ctx *ctx)
{
	ctx->family = 0;
}

int nl_check(struct ctx *ctx)
{
	static const char how[] =
		"load it with \"modprobe kproxy\" or \"insmod kproxy.ko\"";
	struct ctx plain = ctx_plain(ctx);

	if (nl_find(ctx))
		return STATUS_DONE;
	return ctx_fail(&plain, STATUS_KERNEL,
			"the kernel has no kproxy: %s", how);
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct genlmsghdr *hdr = nlmsg_data(nlmsg_hdr(msg));
	struct exchange *x = arg;

	if (x->reply && nlmsg_datalen(nlmsg_hdr(msg)) >= (int)GENL_HDRLEN)
		x->reply(genlmsg_attrdata(hdr, 0), genlmsg_attrlen(hdr, 0),
			 x->arg);
	if (!x->left || --x->left)
		return NL_OK;
	x->cut = true;
	x->over = true;
	return NL_STOP;
}

/* The ack of success and the end of a dump, which may carry an error. */
static int on_end(struct nl_msg *msg, void *arg)
{
	struct exchange *x = arg;

	ack_parse(&x->ack, nlmsg_hdr(msg));
	x->over = true;
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct exchange *x = arg;

	(void)from;
	/* @err is inside the message, behind its header. */
	ack_parse(&x->ack, (struct nlmsghdr *)err - 1);
	x->over = true;
	return NL_SKIP;
}

static int on_interrupt(struct nl_msg *msg, void *arg)
{
	struct exchange *x = arg;

	(void)msg;
	x->interrupted = true;
	return NL_OK;
}

static struct nl_cb *callbacks(struct exchange *x)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (!cb)
		alloc_failed();
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, x);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, x);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, x);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupt, x);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, x);
	nl_cb_overwrite_recv(cb, nl_receive);
	return cb;
}

static int transfer(struct ctx *ctx, struct request *req, struct exchange *x)
{
	struct nl_cb *cb = callbacks(x);
	int err;

	err = nl_send_auto(ctx->sock, req->msg);
	while (err >= 0 && !x->over)
		err = nl_recvmsgs(ctx->sock, cb);
	nl_cb_put(cb);
	return err < 0 ? err : 0;
}

/* The kernel ends a dump when the socket that it is for is closed. */
static int reopen(struct ctx *ctx)
{
	nl_shut(ctx);
	return nl_open(ctx);
}

int nl_exchange(struct ctx *ctx, struct request *req, nl_reply_fn reply,
		void *arg)
{
	struct exchange x = { .reply = reply, .arg = arg, .left = req->most };
	struct nlmsghdr *hdr = nlmsg_hdr(req->msg);
	char why[2 * ACK_MESSAGE_MAX];
	const struct mark *mark;
	int status, err;

	if (req->full)
		return ctx_refuse(ctx, "does not fit in one request");
	status = nl_check(ctx);
	if (status)
		return status;
	hdr->nlmsg_type = ctx->family;
	/* A new sequence number, also when the request is sent again. */
	hdr->nlmsg_seq = NL_AUTO_SEQ;
	if (req->dump)
		hdr->nlmsg_flags |= NLM_F_DUMP;
	err = transfer(ctx, req, &x);
	if (err)
		return ctx_fail(ctx, STATUS_KERNEL, "netlink: %s",
				nl_geterror(err));
	req->interrupted = x.interrupted && !x.cut;
	if (x.cut)
		return reopen(ctx);
	if (!x.ack.error)
		return STATUS_DONE;
	mark = request_find_mark(req, x.ack.offset);
	if (mark && mark->place.line)
		ctx->place = mark->place;
	ack_explain(&x.ack, req, ctx->name, why, sizeof(why));
	return ctx_fail(ctx, STATUS_KERNEL, "%s", why);
}

struct listening {
	const struct ctx *ctx;
	nl_event_fn event;
	int status;
};

static int on_event(struct nl_msg *msg, void *arg)
{
	struct genlmsghdr *hdr = nlmsg_data(nlmsg_hdr(msg));
	struct listening *listening = arg;

	listening->status = listening->event(listening->ctx, hdr->cmd,
					     genlmsg_attrdata(hdr, 0),
					     genlmsg_attrlen(hdr, 0));
	return listening->status ? NL_STOP : NL_OK;
}

static int join_group(struct ctx *ctx, const char *name, int group)
{
	int err = group < 0 ? group :
			      nl_socket_add_membership(ctx->sock, group);

	if (err >= 0)
		return STATUS_DONE;
	return ctx_fail(ctx, STATUS_KERNEL,
			"cannot listen to the events of group %s: %s", name,
			nl_geterror(err));
}

/*
 * Look up all groups before joining the first: an event between a request and
 * its reply would be taken for the reply.
 */
static int join_groups(struct ctx *ctx, const char *const *names)
{
	int groups[GROUPS_MAX], i, status = STATUS_DONE;

	for (i = 0; names[i]; i++)
		groups[i] = genl_ctrl_resolve_grp(ctx->sock, KPROXY_FAMILY_NAME,
						  names[i]);
	for (i = 0; names[i] && !status; i++)
		status = join_group(ctx, names[i], groups[i]);
	return status;
}

static int hear(struct ctx *ctx, struct listening *listening)
{
	int err = nl_recvmsgs_default(ctx->sock);

	if (err == -NLE_NOMEM)
		ctx_warn(ctx, "events were lost");
	else if (err < 0)
		return ctx_fail(ctx, STATUS_KERNEL, "netlink: %s",
				nl_geterror(err));
	return listening->status;
}

int nl_listen(struct ctx *ctx, const char *const *groups, nl_event_fn event)
{
	struct listening listening = { .ctx = ctx, .event = event };
	int status;

	status = nl_check(ctx);
	if (!status)
		status = join_groups(ctx, groups);
	if (status)
		return status;
	nl_socket_set_buffer_size(ctx->sock, EVENTS_SIZE, 0);
	nl_socket_disable_seq_check(ctx->sock);
	/* After a forged message is dropped, there may be nothing to wait for. */
	nl_socket_set_nonblocking(ctx->sock);
	nl_socket_modify_cb(ctx->sock, NL_CB_VALID, NL_CB_CUSTOM, on_event,
			    &listening);
	signals_catch();
	while (!status && signals_wait(nl_socket_get_fd(ctx->sock), -1))
		status = hear(ctx, &listening);
	return status;
}
