// SPDX-License-Identifier: GPL-2.0
/*
 * The parser of the PROXY protocol against whatever a fuzzer comes up with. It
 * must read nothing that it was not given, say the same of a header however few
 * bytes of it have come, and read what it has written.
 */
#include <stdlib.h>

#include "proxy-protocol.h"

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "not true: %s\n", #condition);	\
			abort();					\
		}							\
	} while (0)

/* Parse the first @len bytes, in memory that ends behind them. */
static int parse(const u8 *data, unsigned int len,
		 struct kproxy_proxy_header *header)
{
	u8 *copy = malloc(len ? len : 1);
	int err;

	if (len)
		memcpy(copy, data, len);
	memset(header, 0, sizeof(*header));
	err = kproxy_proxy_parse(copy, len, header);
	free(copy);
	return err;
}

static void check_same(const struct kproxy_proxy_header *a,
		       const struct kproxy_proxy_header *b)
{
	CHECK(a->named == b->named);
	if (!a->named)
		return;
	CHECK(!memcmp(&a->source, &b->source, sizeof(a->source)));
	CHECK(!memcmp(&a->destination, &b->destination,
		      sizeof(a->destination)));
}

/* The verdict on a part must hold for the whole. */
static void check_parts(const u8 *data, unsigned int len, int whole,
			const struct kproxy_proxy_header *header)
{
	struct kproxy_proxy_header part;
	unsigned int n;
	int err;

	for (n = 0; n < len; n++) {
		err = parse(data, n, &part);
		CHECK(err == 0 || err == -EAGAIN || err == -EINVAL);
		if (err == -EAGAIN)
			continue;
		CHECK(err == whole);
		if (err)
			continue;
		CHECK(part.len == header->len);
		check_same(&part, header);
	}
}

typedef unsigned int (*build_fn)(u8 *data, const union kproxy_addr *source,
				 const union kproxy_addr *destination);

static void check_build(build_fn build,
			const struct kproxy_proxy_header *header)
{
	struct kproxy_proxy_header again;
	u8 *data = malloc(KPROXY_PROXY_SIZE);
	unsigned int len;

	len = build(data, &header->source, &header->destination);
	CHECK(len < KPROXY_PROXY_SIZE);
	CHECK(parse(data, len, &again) == 0);
	CHECK(again.len == len);
	check_same(&again, header);
	free(data);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	unsigned int len = min_t(size_t, size, KPROXY_PROXY_LOOK);
	struct kproxy_proxy_header header;
	int err;

	err = parse(data, len, &header);
	CHECK(err == 0 || err == -EAGAIN || err == -EINVAL);
	/* Enough has come to know. */
	CHECK(len < KPROXY_PROXY_LOOK || err != -EAGAIN);
	check_parts(data, len, err, &header);
	if (err)
		return 0;
	if (data[0] == 'P')
		CHECK(header.len <= len && data[header.len - 1] == '\n');
	else
		CHECK(header.len >= 16 && header.len <= 16 + U16_MAX);
	if (header.named) {
		check_build(kproxy_proxy_build_v1, &header);
		check_build(kproxy_proxy_build_v2, &header);
	}
	return 0;
}
