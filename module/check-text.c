// SPDX-License-Identifier: GPL-2.0
/*
 * What a check sends and what it expects. The reply is as expected once its
 * beginning matches the pattern, however it is cut into segments: a reply that
 * matches still does when more of it comes.
 *
 * The kernel's patterns are strings. A zero byte, in either the pattern or the
 * reply, is taken for the byte 0xff.
 */
#include <linux/glob.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "check-text.h"

#define ZERO 0xff

static void hide_zeros(u8 *data, unsigned int len)
{
	u8 *end = data + len;

	for (; data < end; data++)
		if (!*data)
			*data = ZERO;
}

/**
 * kproxy_check_text_is_pattern() - check that a pattern is complete
 * @expect: the pattern
 * @len: its length
 *
 * Context: any.
 * Return: false if it ends in a backslash that escapes nothing.
 */
bool kproxy_check_text_is_pattern(const u8 *expect, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		if (expect[i] == '\\' && ++i == len)
			return false;
	return true;
}

/**
 * kproxy_check_text_new() - make a text
 * @send: what is sent
 * @send_len: its length, at most KPROXY_CHECK_SEND_MAX
 * @expect: a complete pattern; any reply matches an empty one
 * @expect_len: its length, at most KPROXY_CHECK_EXPECT_MAX
 *
 * Context: process, may sleep.
 * Return: the text, for kproxy_check_text_put(), or NULL if memory is short.
 */
struct kproxy_check_text *kproxy_check_text_new(const void *send,
						unsigned int send_len,
						const void *expect,
						unsigned int expect_len)
{
	struct kproxy_check_text *text;
	u8 *pattern;

	/* The pattern is followed by a star and a zero. */
	text = kzalloc(struct_size(text, data, send_len + 2 * expect_len + 2),
		       GFP_KERNEL_ACCOUNT);
	if (!text)
		return NULL;
	refcount_set(&text->refs, 1);
	text->send_len = send_len;
	text->expect_len = expect_len;
	memcpy(text->data, send, send_len);
	memcpy(text->data + send_len, expect, expect_len);
	pattern = text->data + send_len + expect_len;
	memcpy(pattern, expect, expect_len);
	hide_zeros(pattern, expect_len);
	pattern[expect_len] = '*';
	return text;
}

/**
 * kproxy_check_text_hold() - take a reference
 * @text: the text, or NULL
 *
 * Context: any.
 * Return: @text.
 */
struct kproxy_check_text *kproxy_check_text_hold(struct kproxy_check_text *text)
{
	if (text)
		refcount_inc(&text->refs);
	return text;
}

/**
 * kproxy_check_text_put() - drop a reference
 * @text: the text, or NULL
 *
 * Context: any.
 */
void kproxy_check_text_put(struct kproxy_check_text *text)
{
	if (text && refcount_dec_and_test(&text->refs))
		kfree(text);
}

/**
 * kproxy_check_text_equal() - compare two texts
 * @a: one, or NULL
 * @b: the other, or NULL
 *
 * Context: any.
 * Return: true if checks with either do the same.
 */
bool kproxy_check_text_equal(const struct kproxy_check_text *a,
			     const struct kproxy_check_text *b)
{
	if (!a || !b)
		return a == b;
	return a->send_len == b->send_len && a->expect_len == b->expect_len &&
	       !memcmp(a->data, b->data, a->send_len + a->expect_len);
}

/**
 * kproxy_check_text_matches() - compare a reply with what is expected
 * @text: the text
 * @reply: the beginning of the reply; there is room for one more byte, and zero
 *	bytes are overwritten
 * @len: how much of it there is
 *
 * Context: any.
 * Return: true if it is as expected.
 */
bool kproxy_check_text_matches(const struct kproxy_check_text *text,
			       char *reply, unsigned int len)
{
	const u8 *pattern = text->data + text->send_len + text->expect_len;

	hide_zeros((u8 *)reply, len);
	reply[len] = '\0';
	return glob_match((const char *)pattern, reply);
}
