// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "../client-hello.h"

#define STREAM_SIZE (4 * KPROXY_HELLO_MAX)

/* Record size that fits any message. */
#define RECORD_WHOLE KPROXY_HELLO_MAX

/* A stream of which @len bytes have come. */
struct stream {
	u32 len;
	/* end of the last read */
	u32 read;
	bool back;
	u8 data[STREAM_SIZE];
};

static int stream_read(void *arg, u32 at, u8 *to, u32 len)
{
	struct stream *stream = arg;

	stream->back |= at < stream->read;
	if (at + len > stream->len)
		return -EAGAIN;
	stream->read = at + len;
	memcpy(to, stream->data + at, len);
	return 0;
}

static int parse(struct kproxy_hello *hello, struct stream *stream, u32 len,
		 char *name)
{
	stream->len = len;
	stream->read = 0;
	return kproxy_hello_parse(hello, stream_read, stream, name);
}

/* A message being built. */
struct message {
	u32 len;
	u8 data[KPROXY_HELLO_MAX + 64];
};

static void put(struct message *m, const void *data, u32 len)
{
	if (data)
		memcpy(m->data + m->len, data, len);
	else
		memset(m->data + m->len, 0x5a, len);
	m->len += len;
}

static void put_u16(struct message *m, u16 value)
{
	put_unaligned_be16(value, m->data + m->len);
	m->len += 2;
}

/*
 * Build a ClientHello with a padding extension of @padding bytes, unless 0, and
 * a server name @name, unless NULL.
 */
static void hello_make(struct message *m, u16 padding, const char *name)
{
	u16 len = name ? strlen(name) : 0;

	m->len = 0;
	put(m, "\1\0\0\0\3\3", 6);
	put(m, NULL, 32);
	put(m, "\40", 1);
	put(m, NULL, 32);
	put_u16(m, 4);
	put(m, "\x13\1\x13\2", 4);
	put(m, "\1\0", 2);
	put_u16(m, (padding ? 4 + padding : 0) + (name ? 9 + len : 0) + 4);
	put_u16(m, 0x17);
	put_u16(m, 0);
	if (padding) {
		put_u16(m, 21);
		put_u16(m, padding);
		put(m, NULL, padding);
	}
	if (name) {
		put_u16(m, 0);
		put_u16(m, 5 + len);
		put_u16(m, 3 + len);
		put(m, "", 1);
		put_u16(m, len);
		put(m, name, len);
	}
	put_unaligned_be16(m->len - 4, m->data + 2);
}

/* Split the message into records of @size bytes; return the stream's length. */
static u32 stream_make(struct stream *stream, const struct message *m, u32 size)
{
	u32 at = 0, len = 0, part;

	for (; at < m->len; at += part) {
		part = min(size, m->len - at);
		memcpy(stream->data + len, "\x16\3\1", 3);
		put_unaligned_be16(part, stream->data + len + 3);
		memcpy(stream->data + len + 5, m->data + at, part);
		len += 5 + part;
	}
	return len;
}

/* Add an extension of ALPN with this list to a message of hello_make(). */
static void hello_add_alpn(struct message *m, const char *list, u16 len)
{
	/* behind the random, session, ciphers and compression */
	u8 *extensions = m->data + 4 + 2 + 32 + 1 + 32 + 2 + 4 + 2;

	put_u16(m, 16);
	put_u16(m, 2 + len);
	put_u16(m, len);
	put(m, list, len);
	put_unaligned_be16(get_unaligned_be16(extensions) + 6 + len, extensions);
	put_unaligned_be16(m->len - 4, m->data + 2);
}

struct fixture {
	struct kproxy_hello hello;
	struct message message;
	struct stream stream;
	char name[KPROXY_HELLO_NAME_SIZE];
};

static int hello_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct fixture), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

/* Parse the whole stream at once. */
static int parse_whole(struct fixture *f, u32 record)
{
	u32 len = stream_make(&f->stream, &f->message, record);

	memset(&f->hello, 0, sizeof(f->hello));
	return parse(&f->hello, &f->stream, len, f->name);
}

static void name_is_found_in_lower_case(struct kunit *test)
{
	struct fixture *f = test->priv;

	hello_make(&f->message, 100, "WWW.Example.com");
	KUNIT_EXPECT_EQ(test, parse_whole(f, RECORD_WHOLE), 0);
	KUNIT_EXPECT_STREQ(test, f->name, "www.example.com");
	/* Parsing again gives the same result. */
	memset(f->name, 0, sizeof(f->name));
	KUNIT_EXPECT_EQ(test, parse(&f->hello, &f->stream, f->stream.len,
				    f->name), 0);
	KUNIT_EXPECT_STREQ(test, f->name, "www.example.com");
}

static void records_of_any_size_are_put_together(struct kunit *test)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 5, 7, 31, 64, 100 };
	struct fixture *f = test->priv;
	int i;

	hello_make(&f->message, 20, "a.example.com");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_EQ_MSG(test, parse_whole(f, sizes[i]), 0,
				    "records of %u bytes", sizes[i]);
		KUNIT_EXPECT_STREQ(test, f->name, "a.example.com");
	}
	KUNIT_EXPECT_FALSE(test, f->stream.back);
}

/* Resuming a parse at each byte gives the same result as a single parse. */
static void more_is_needed_until_the_name_has_come(struct kunit *test)
{
	static const u32 sizes[] = { 1, 13, RECORD_WHOLE };
	struct fixture *f = test->priv;
	u32 len, n;
	int i, err;

	hello_make(&f->message, 9, "b.example.com");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		len = stream_make(&f->stream, &f->message, sizes[i]);
		memset(&f->hello, 0, sizeof(f->hello));
		for (n = 0; n < len; n++) {
			err = parse(&f->hello, &f->stream, n, f->name);
			KUNIT_ASSERT_EQ_MSG(test, err, -EAGAIN,
					    "%u bytes of %u", n, len);
		}
		KUNIT_EXPECT_EQ(test, parse(&f->hello, &f->stream, len,
					    f->name), 0);
		KUNIT_EXPECT_STREQ(test, f->name, "b.example.com");
		KUNIT_EXPECT_FALSE(test, f->stream.back);
	}
}

/* A completed step is not repeated. */
static void little_is_read_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 len;

	hello_make(&f->message, 3000, "c.example.com");
	len = stream_make(&f->stream, &f->message, 10);
	memset(&f->hello, 0, sizeof(f->hello));
	KUNIT_EXPECT_EQ(test, parse(&f->hello, &f->stream, len - 4, f->name),
			-EAGAIN);
	KUNIT_EXPECT_GT(test, f->hello.at, len - 64);
}

static void largest_message_and_name_fit(struct kunit *test)
{
	struct fixture *f = test->priv;
	char name[KPROXY_HELLO_NAME_SIZE];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	hello_make(&f->message, 1, name);
	hello_make(&f->message, KPROXY_HELLO_MAX + 5 - f->message.len, name);
	KUNIT_ASSERT_EQ(test, f->message.len, KPROXY_HELLO_MAX + 4);
	KUNIT_EXPECT_EQ(test, parse_whole(f, 16384), 0);
	KUNIT_EXPECT_STREQ(test, f->name, name);
	KUNIT_EXPECT_EQ(test, parse_whole(f, 1000), 0);
	KUNIT_EXPECT_STREQ(test, f->name, name);

	/* One byte too many. */
	f->message.data[f->message.len++] = 0;
	put_unaligned_be16(f->message.len - 4, f->message.data + 2);
	KUNIT_EXPECT_EQ(test, parse_whole(f, 16384), -EPROTO);
}

static void without_a_name_there_is_none(struct kunit *test)
{
	struct fixture *f = test->priv;

	hello_make(&f->message, 50, NULL);
	KUNIT_EXPECT_EQ(test, parse_whole(f, RECORD_WHOLE), -ENOENT);
	/* The same without any extension. */
	hello_make(&f->message, 0, NULL);
	f->message.len -= 6;
	put_unaligned_be16(f->message.len - 4, f->message.data + 2);
	KUNIT_EXPECT_EQ(test, parse_whole(f, RECORD_WHOLE), -ENOENT);
}

static void other_protocols_are_known_at_once(struct kunit *test)
{
	static const struct {
		u32 len;
		const char *data;
	} others[] = {
		{ 1, "G" }, { 1, "\x15" }, { 1, "\x80" }, { 2, "\x16\2" },
		/* an empty record, one that is too long, a ServerHello */
		{ 5, "\x16\3\1\0\0" }, { 5, "\x16\3\1\x40\1" },
		{ 6, "\x16\3\1\0\5\2" },
		/* messages that are too long */
		{ 9, "\x16\3\1\1\1\1\1\0\0" },
		{ 9, "\x16\3\1\1\1\1\0\x40\1" },
	};
	struct fixture *f = test->priv;
	u32 i, n, len;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		len = others[i].len;
		memset(&f->hello, 0, sizeof(f->hello));
		memcpy(f->stream.data, others[i].data, len);
		for (n = 0; n < len; n++)
			KUNIT_EXPECT_EQ_MSG(test, parse(&f->hello, &f->stream,
							n, f->name),
					    -EAGAIN, "%u, %u bytes", i, n);
		KUNIT_EXPECT_EQ_MSG(test, parse(&f->hello, &f->stream, len,
						f->name),
				    -EPROTO, "%u", i);
	}
}

/* With any byte changed, the parse ends and reads only what was given. */
static void wrong_bytes_are_survived(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 len, i;
	int err, bit;

	hello_make(&f->message, 9, "d.example.com");
	len = stream_make(&f->stream, &f->message, 40);
	for (i = 0; i < len; i++) {
		for (bit = 0; bit < 8; bit++) {
			f->stream.data[i] ^= 1 << bit;
			memset(&f->hello, 0, sizeof(f->hello));
			err = parse(&f->hello, &f->stream, len, f->name);
			KUNIT_EXPECT_TRUE_MSG(test, err == 0 ||
					      err == -EAGAIN ||
					      err == -ENOENT || err == -EPROTO,
					      "byte %u: %d", i, err);
			f->stream.data[i] ^= 1 << bit;
		}
	}
}

static void name_with_a_zero_is_none(struct kunit *test)
{
	struct fixture *f = test->priv;

	hello_make(&f->message, 9, "e.example.com");
	f->message.data[f->message.len - 4] = 0;
	KUNIT_EXPECT_EQ(test, parse_whole(f, RECORD_WHOLE), -EPROTO);
}

static int parse_alpn(struct fixture *f, u32 record)
{
	u32 len = stream_make(&f->stream, &f->message, record);

	f->hello = (struct kproxy_hello){ .what = KPROXY_HELLO_ALPN };
	return parse(&f->hello, &f->stream, len, f->name);
}

static void protocols_are_found(struct kunit *test)
{
	static const char list[] = "\2h2\10http/1.1";
	static const u32 sizes[] = { 1, 7, RECORD_WHOLE };
	struct fixture *f = test->priv;
	u32 len, n;
	int i;

	hello_make(&f->message, 9, "f.example.com");
	KUNIT_EXPECT_EQ(test, parse_alpn(f, RECORD_WHOLE), -ENOENT);
	hello_add_alpn(&f->message, list, sizeof(list) - 1);
	KUNIT_EXPECT_EQ(test, parse_whole(f, RECORD_WHOLE), 0);
	KUNIT_EXPECT_STREQ(test, f->name, "f.example.com");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_EQ(test, parse_alpn(f, sizes[i]), 0);
		KUNIT_EXPECT_STREQ(test, f->name, list);
		len = f->stream.len;
		f->hello = (struct kproxy_hello){ .what = KPROXY_HELLO_ALPN };
		for (n = 0; n < len; n++)
			KUNIT_ASSERT_EQ(test, parse(&f->hello, &f->stream, n,
						    f->name), -EAGAIN);
		KUNIT_EXPECT_EQ(test, parse(&f->hello, &f->stream, len,
					    f->name), 0);
		KUNIT_EXPECT_STREQ(test, f->name, list);
	}
}

/* Of a list that is too long, the protocols that fit. */
static void as_many_protocols_as_fit(struct kunit *test)
{
	struct fixture *f = test->priv;
	char list[512];
	int i;

	for (i = 0; i < sizeof(list); i += 8)
		memcpy(list + i, "\7proto-x", 8);
	hello_make(&f->message, 0, NULL);
	hello_add_alpn(&f->message, list, sizeof(list));
	KUNIT_EXPECT_EQ(test, parse_alpn(f, RECORD_WHOLE), 0);
	KUNIT_EXPECT_EQ(test, strlen(f->name), 31 * 8);
	hello_make(&f->message, 0, NULL);
	list[0] = (char)255;
	hello_add_alpn(&f->message, list, 256);
	KUNIT_EXPECT_EQ(test, parse_alpn(f, RECORD_WHOLE), -EPROTO);
}

static void lists_that_are_none(struct kunit *test)
{
	static const struct {
		const char *list;
		u16 len;
	} lists[] = {
		{ "", 0 }, { "\0", 1 }, { "\2h2\0", 4 }, { "\3h2", 3 },
		{ "\2h2\2h", 5 },
	};
	struct fixture *f = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		hello_make(&f->message, 0, NULL);
		hello_add_alpn(&f->message, lists[i].list, lists[i].len);
		KUNIT_EXPECT_EQ_MSG(test, parse_alpn(f, RECORD_WHOLE), -EPROTO,
				    "list %d", i);
	}
}

static struct kunit_case client_hello_cases[] = {
	KUNIT_CASE(name_is_found_in_lower_case),
	KUNIT_CASE(records_of_any_size_are_put_together),
	KUNIT_CASE(more_is_needed_until_the_name_has_come),
	KUNIT_CASE(little_is_read_again),
	KUNIT_CASE(largest_message_and_name_fit),
	KUNIT_CASE(without_a_name_there_is_none),
	KUNIT_CASE(other_protocols_are_known_at_once),
	KUNIT_CASE(wrong_bytes_are_survived),
	KUNIT_CASE(name_with_a_zero_is_none),
	KUNIT_CASE(protocols_are_found),
	KUNIT_CASE(as_many_protocols_as_fit),
	KUNIT_CASE(lists_that_are_none),
	{}
};

static struct kunit_suite client_hello_suite = {
	.name = "kproxy_client_hello",
	.init = hello_init,
	.test_cases = client_hello_cases,
};

kunit_test_suite(client_hello_suite);
