// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>
#include <linux/inet.h>
#include <net/ipv6.h>

#include "../proxy-protocol.h"

#define MAGIC "\r\n\r\n\0\r\nQUIT\n"

/* A header of either version, and the expected result. */
struct sample {
	const char *data;
	unsigned int len;
	/* as text; empty if the header has no address */
	const char *source;
	u16 sport;
	const char *destination;
	u16 dport;
};

#define SAMPLE(text, ...) { text, sizeof(text) - 1, __VA_ARGS__ }

static const struct sample samples[] = {
	SAMPLE("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
	       "192.0.2.1", 56324, "198.51.100.2", 443),
	SAMPLE("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n",
	       "255.255.255.255", 65535, "0.0.0.0", 0),
	SAMPLE("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
	       "2001:db8::1", 1, "::1", 65535),
	SAMPLE("PROXY TCP6 ffff:f00f:ffff:ffff:ffff:ffff:ffff:ffff :: 1 2\r\n",
	       "ffff:f00f:ffff:ffff:ffff:ffff:ffff:ffff", 1, "::", 2),
	SAMPLE("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n",
	       "192.0.2.1", 1, "192.0.2.2", 2),
	SAMPLE("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
	       "::ffff:192.0.2.1", 1, "::1", 2),
	SAMPLE("PROXY UNKNOWN\r\n", ""),
	SAMPLE("PROXY UNKNOWN ffff::1 anything at all 9\n\r\n", ""),
	SAMPLE(MAGIC "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb",
	       "192.0.2.1", 56324, "198.51.100.2", 443),
	SAMPLE(MAGIC "\x21\x21\0\44\40\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	       "\40\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\0\2",
	       "2001:db8::1", 1, "2001:db8::2", 2),
	/* Extensions after the addresses. */
	SAMPLE(MAGIC "\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"
	       "\x04\0\4abcd",
	       "192.0.2.1", 56324, "198.51.100.2", 443),
	/* LOCAL, with and without bytes after it. */
	SAMPLE(MAGIC "\x20\0\0\0", ""),
	SAMPLE(MAGIC "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb", ""),
	/* Families other than TCP's, or unspecified. */
	SAMPLE(MAGIC "\x21\0\0\3abc", ""),
	SAMPLE(MAGIC "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb", ""),
	SAMPLE(MAGIC "\x21\x31\0\3abc", ""),
};

#define BAD(text) { text, sizeof(text) - 1 }

static const struct sample bad[] = {
	BAD("GET / HTTP/1.1\r\n"), BAD("p"), BAD("PROXX"), BAD("PROXY\r\n"),
	BAD("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), BAD("PROXY \r\n"),
	BAD("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4\r\n"), BAD("PROXY TCP4 1.2.3.4\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"),
	BAD("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4:5 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4\0x 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 ::1 ::1 1 2\r\n"),
	BAD("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP6 ::1 :: :1 1 2\r\n"),
	BAD("PROXY TCP6 ::1%lo ::1 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 0x2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx"),
	BAD(MAGIC "\x11\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	BAD(MAGIC "\x22\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	BAD(MAGIC "\x21\x41\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	BAD(MAGIC "\x21\x13\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	BAD(MAGIC "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	BAD(MAGIC "\x21\x21\0\43aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbppqq"),
	BAD("\r\n\r\n\0\r\nQUIT\r"), BAD("\r\n\r\nx"),
};

static void expect_addr(struct kunit *test, const union kproxy_addr *addr,
			const char *text, u16 port)
{
	u8 ip[16];

	KUNIT_EXPECT_EQ(test, ntohs(kproxy_addr_port(addr)), port);
	if (in4_pton(text, -1, ip, -1, NULL)) {
		KUNIT_EXPECT_EQ(test, addr->sa.sa_family, AF_INET);
		KUNIT_EXPECT_MEMEQ(test, ip, &addr->v4.sin_addr, 4);
		return;
	}
	KUNIT_ASSERT_TRUE(test, in6_pton(text, -1, ip, -1, NULL));
	KUNIT_EXPECT_EQ(test, addr->sa.sa_family, AF_INET6);
	KUNIT_EXPECT_MEMEQ(test, ip, &addr->v6.sin6_addr, 16);
}

static void expect_sample(struct kunit *test, const struct sample *sample,
			  const u8 *data, unsigned int len)
{
	struct kproxy_proxy_header header = {};
	int err = kproxy_proxy_parse(data, len, &header);

	KUNIT_EXPECT_EQ_MSG(test, err, 0, "%s", sample->data);
	KUNIT_EXPECT_EQ_MSG(test, header.len, sample->len, "%s", sample->data);
	KUNIT_EXPECT_EQ_MSG(test, header.named, !!*sample->source, "%s",
			    sample->data);
	if (err || !header.named)
		return;
	expect_addr(test, &header.source, sample->source, sample->sport);
	expect_addr(test, &header.destination, sample->destination,
		    sample->dport);
}

static void a_header_says_who_is_who(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(samples); i++)
		expect_sample(test, &samples[i], samples[i].data,
			      min(samples[i].len, KPROXY_PROXY_LOOK));
}

static void what_follows_a_header_does_not_matter(struct kunit *test)
{
	static const char behind[] = "\r\nPROXY TCP4\0\xff";
	u8 data[256];
	int i;

	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		memcpy(data, samples[i].data, samples[i].len);
		memcpy(data + samples[i].len, behind, sizeof(behind));
		expect_sample(test, &samples[i], data,
			      min_t(unsigned int, KPROXY_PROXY_LOOK,
				    samples[i].len + sizeof(behind)));
	}
}

/* No part of a header is taken for a complete one or refused. */
static void a_header_may_come_byte_by_byte(struct kunit *test)
{
	struct kproxy_proxy_header header;
	unsigned int len;
	int i, err;

	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		for (len = 0; len < samples[i].len; len++) {
			err = kproxy_proxy_parse(samples[i].data, len, &header);
			if (err == -EAGAIN)
				continue;
			/*
			 * The addresses are complete, only extensions are
			 * missing.
			 */
			KUNIT_EXPECT_EQ(test, err, 0);
			KUNIT_EXPECT_EQ(test, samples[i].data[0], '\r');
			KUNIT_EXPECT_EQ(test, header.len, samples[i].len);
			KUNIT_EXPECT_GE(test, len, 16);
		}
	}
}

static void what_is_no_header_is_refused(struct kunit *test)
{
	struct kproxy_proxy_header header;
	unsigned int len;
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Refused at some byte, and at every later one. */
		for (len = 0; len <= bad[i].len; len++) {
			int now = kproxy_proxy_parse(bad[i].data, len, &header);

			KUNIT_EXPECT_NE_MSG(test, now, 0, "%s", bad[i].data);
			if (len && err == -EINVAL)
				KUNIT_EXPECT_EQ(test, now, -EINVAL);
			err = now;
		}
		KUNIT_EXPECT_EQ_MSG(test, err, -EINVAL, "%s", bad[i].data);
		err = 0;
	}
}

static void a_line_has_107_bytes_at_most(struct kunit *test)
{
	static const char begin[] = "PROXY UNKNOWN ";
	struct kproxy_proxy_header header;
	u8 line[108];

	memset(line, 'x', sizeof(line));
	memcpy(line, begin, strlen(begin));
	memcpy(line + 105, "\r\n", 2);
	KUNIT_EXPECT_EQ(test, kproxy_proxy_parse(line, 107, &header), 0);
	KUNIT_EXPECT_EQ(test, header.len, 107);
	memcpy(line + 105, "x\r\n", 3);
	KUNIT_EXPECT_EQ(test, kproxy_proxy_parse(line, 106, &header), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kproxy_proxy_parse(line, 107, &header), -EINVAL);
	KUNIT_EXPECT_EQ(test, kproxy_proxy_parse(line, 108, &header), -EINVAL);
}

static void what_is_written_is_read_again(struct kunit *test)
{
	struct kproxy_proxy_header header;
	u8 data[KPROXY_PROXY_SIZE];
	unsigned int len;
	int i, v1;

	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		struct kproxy_proxy_header want;

		KUNIT_ASSERT_EQ(test, 0, kproxy_proxy_parse(samples[i].data,
							    samples[i].len,
							    &want));
		if (!want.named)
			continue;
		for (v1 = 0; v1 < 2; v1++) {
			len = (v1 ? kproxy_proxy_build_v1 :
				    kproxy_proxy_build_v2)(data, &want.source,
							   &want.destination);
			KUNIT_EXPECT_EQ(test, data[0], v1 ? 'P' : '\r');
			KUNIT_EXPECT_EQ(test, 0,
					kproxy_proxy_parse(data, len, &header));
			KUNIT_EXPECT_EQ(test, header.len, len);
			KUNIT_EXPECT_TRUE(test, header.named);
			KUNIT_EXPECT_TRUE(test,
					  kproxy_addr_equal(&header.source,
							    &want.source));
			KUNIT_EXPECT_TRUE(test,
					  kproxy_addr_equal(&header.destination,
							    &want.destination));
		}
	}
}

static void the_longest_header_fits(struct kunit *test)
{
	union kproxy_addr addr = { .v6.sin6_family = AF_INET6 };
	u8 data[KPROXY_PROXY_SIZE];

	memset(&addr.v6.sin6_addr, 0xff, sizeof(addr.v6.sin6_addr));
	addr.v6.sin6_port = htons(65535);
	/* "PROXY TCP6 ", two addresses, two ports, three blanks, CR LF. */
	KUNIT_EXPECT_EQ(test, kproxy_proxy_build_v1(data, &addr, &addr),
			11 + 2 * 39 + 2 * 5 + 3 + 2);
}

static struct kunit_case proxy_protocol_cases[] = {
	KUNIT_CASE(a_header_says_who_is_who),
	KUNIT_CASE(what_follows_a_header_does_not_matter),
	KUNIT_CASE(a_header_may_come_byte_by_byte),
	KUNIT_CASE(what_is_no_header_is_refused),
	KUNIT_CASE(a_line_has_107_bytes_at_most),
	KUNIT_CASE(what_is_written_is_read_again),
	KUNIT_CASE(the_longest_header_fits),
	{}
};

static struct kunit_suite proxy_protocol_suite = {
	.name = "kproxy_proxy_protocol",
	.test_cases = proxy_protocol_cases,
};

kunit_test_suite(proxy_protocol_suite);
