// SPDX-License-Identifier: GPL-2.0
/* What an upstream's checks send and expect, in requests and replies. */
#include <net/genetlink.h>
#include <uapi/linux/kproxy.h>

#include "check-text.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "upstream.h"

/* A text in the making: what a request changes, and what it leaves as it was. */
struct text {
	const u8 *send;
	const u8 *expect;
	unsigned int send_len;
	unsigned int expect_len;
};

static int get_bytes(const struct genl_info *info, int attr, unsigned int max,
		     const u8 **data, unsigned int *len)
{
	const struct nlattr *nla = info->attrs[attr];

	if (!nla)
		return 0;
	if (nla_len(nla) > max) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, nla,
					"longer than %u bytes", max);
		return -E2BIG;
	}
	*data = nla_data(nla);
	*len = nla_len(nla);
	return 0;
}

/* The attribute that an upstream's check is refused for. */
static const struct nlattr *blame(const struct genl_info *info)
{
	return info->attrs[KPROXY_A_UPSTREAM_CHECK_SEND] ?:
	       info->attrs[KPROXY_A_UPSTREAM_CHECK_EXPECT] ?:
	       info->attrs[KPROXY_A_UPSTREAM_CHECK];
}

static int check_text(const struct genl_info *info,
		      const struct kproxy_upstream_options *options,
		      const struct text *text)
{
	struct netlink_ext_ack *extack = info->extack;
	bool any = text->send_len || text->expect_len;

	if (any && options->check != KPROXY_CHECK_SEND) {
		NL_SET_ERR_MSG_ATTR(extack, blame(info),
				    "check-send and check-expect need check send");
		return -EINVAL;
	}
	if (!any && options->check == KPROXY_CHECK_SEND) {
		NL_SET_ERR_MSG_ATTR(extack, blame(info),
				    "check send needs check-send or check-expect");
		return -EINVAL;
	}
	if (!kproxy_check_text_is_pattern(text->expect, text->expect_len)) {
		NL_SET_ERR_MSG_ATTR(extack,
				    info->attrs[KPROXY_A_UPSTREAM_CHECK_EXPECT],
				    "the pattern ends in a backslash");
		return -EINVAL;
	}
	return 0;
}

/**
 * kproxy_netlink_get_check() - read what checks send and expect
 * @info: a request about an upstream
 * @options: the upstream's options, with all other attributes of the request;
 *	their reference to the text is replaced by one to the new text
 *
 * A request that sets the kind of check sets the text as well, which is empty if
 * the request has none.
 *
 * Context: process, may sleep.
 * Return: 0; -E2BIG; -EINVAL if the text and the kind don't go together; -ENOMEM.
 */
int kproxy_netlink_get_check(const struct genl_info *info,
			     struct kproxy_upstream_options *options)
{
	struct kproxy_check_text *old = options->check_text, *new = NULL;
	struct text text = {};
	int err;

	if (!blame(info))
		return 0;
	if (old && !info->attrs[KPROXY_A_UPSTREAM_CHECK])
		text = (struct text){
			.send = kproxy_check_text_send(old),
			.send_len = old->send_len,
			.expect = kproxy_check_text_expect(old),
			.expect_len = old->expect_len,
		};
	err = get_bytes(info, KPROXY_A_UPSTREAM_CHECK_SEND,
			KPROXY_CHECK_SEND_MAX, &text.send, &text.send_len);
	if (!err)
		err = get_bytes(info, KPROXY_A_UPSTREAM_CHECK_EXPECT,
				KPROXY_CHECK_EXPECT_MAX, &text.expect,
				&text.expect_len);
	if (!err)
		err = check_text(info, options, &text);
	if (err)
		return err;
	if (options->check == KPROXY_CHECK_SEND) {
		new = kproxy_check_text_new(text.send, text.send_len,
					    text.expect, text.expect_len);
		if (!new)
			return -ENOMEM;
	}
	options->check_text = new;
	kproxy_check_text_put(old);
	return 0;
}

/**
 * kproxy_netlink_put_check() - write what checks send and expect
 * @skb: the reply
 * @text: the text, or NULL
 *
 * Context: any.
 * Return: 0 or -EMSGSIZE.
 */
int kproxy_netlink_put_check(struct sk_buff *skb,
			     const struct kproxy_check_text *text)
{
	if (!text)
		return 0;
	if (text->send_len && nla_put(skb, KPROXY_A_UPSTREAM_CHECK_SEND,
				      text->send_len,
				      kproxy_check_text_send(text)))
		return -EMSGSIZE;
	if (text->expect_len && nla_put(skb, KPROXY_A_UPSTREAM_CHECK_EXPECT,
					text->expect_len,
					kproxy_check_text_expect(text)))
		return -EMSGSIZE;
	return 0;
}
