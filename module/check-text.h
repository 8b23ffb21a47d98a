/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KPROXY_CHECK_TEXT_H
#define _KPROXY_CHECK_TEXT_H

#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/linux/kproxy.h>

/* How much of a reply is read and compared. */
#define KPROXY_CHECK_REPLY_MAX 1024

/* What a check sends, and what the reply must begin like; constant. */
struct kproxy_check_text {
	refcount_t refs;
	u16 send_len;
	u16 expect_len;
	/* both as they were given, then the pattern that glob_match() takes */
	u8 data[];
};

struct kproxy_check_text *kproxy_check_text_new(const void *send,
						unsigned int send_len,
						const void *expect,
						unsigned int expect_len);
bool kproxy_check_text_is_pattern(const u8 *expect, unsigned int len);
struct kproxy_check_text *kproxy_check_text_hold(struct kproxy_check_text *text);
void kproxy_check_text_put(struct kproxy_check_text *text);
bool kproxy_check_text_equal(const struct kproxy_check_text *a,
			     const struct kproxy_check_text *b);
bool kproxy_check_text_matches(const struct kproxy_check_text *text,
			       char *reply, unsigned int len);

/* The text to send, @send_len bytes. */
static inline const u8 *kproxy_check_text_send(const struct kproxy_check_text *text)
{
	return text->data;
}

/* The pattern as it was given, @expect_len bytes. */
static inline const u8 *kproxy_check_text_expect(const struct kproxy_check_text *text)
{
	return text->data + text->send_len;
}

#endif /* _KPROXY_CHECK_TEXT_H */
