// SPDX-License-Identifier: GPL-2.0
/*
 * The parser of a ClientHello against whatever a fuzzer comes up with. It must ask
 * for its bytes in their order, take nothing of a stream for more than has come,
 * and say the same however the stream comes.
 */
#include <stdlib.h>

#include "client-hello.h"

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "not true: %s\n", #condition);	\
			abort();					\
		}							\
	} while (0)

struct stream {
	const u8 *data;
	size_t len;
	/* the end of what was read last */
	size_t read;
};

static int stream_read(void *arg, u32 at, u8 *to, u32 len)
{
	struct stream *stream = arg;

	CHECK(at >= stream->read);
	if (at + len > stream->len)
		return -EAGAIN;
	memcpy(to, stream->data + at, len);
	stream->read = at + len;
	return 0;
}

/* Of which so much has come. */
static int parse(struct kproxy_hello *hello, const u8 *data, size_t len,
		 char *name)
{
	struct stream stream = { .data = data, .len = len };
	int err;

	err = kproxy_hello_parse(hello, stream_read, &stream, name);
	CHECK(err == 0 || err == -EAGAIN || err == -ENOENT || err == -EPROTO);
	return err;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* Whether it is a list of protocols, with a zero at its end. */
static bool is_list(const char *list)
{
	const u8 *at = (const u8 *)list;

	while (*at)
		at += 1 + *at;
	return at > (const u8 *)list &&
	       at < (const u8 *)list + KPROXY_HELLO_NAME_SIZE;
}

static bool is_name(const char *name)
{
	return strlen(name) && strlen(name) < KPROXY_HELLO_NAME_SIZE &&
	       !strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static void look_for(enum kproxy_hello_what what, const u8 *data, size_t size)
{
	struct kproxy_hello hello = { .what = what }, bit_by_bit = hello, again;
	char *name = malloc(KPROXY_HELLO_NAME_SIZE);
	char *other = malloc(KPROXY_HELLO_NAME_SIZE);
	size_t n;
	int err, part = -EAGAIN;

	err = parse(&hello, data, size, name);
	for (n = 0; n <= size; n++) {
		part = parse(&bit_by_bit, data, n, other);
		if (part != -EAGAIN)
			break;
	}
	CHECK(part == err);
	if (!err) {
		CHECK(what == KPROXY_HELLO_SNI ? is_name(name) : is_list(name));
		CHECK(!strcmp(name, other));
	}
	/* An answer is given again. */
	again = hello;
	CHECK(parse(&again, data, size, other) == err);
	CHECK(err || !strcmp(name, other));
	free(name);
	free(other);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	look_for(KPROXY_HELLO_SNI, data, size);
	look_for(KPROXY_HELLO_ALPN, data, size);
	return 0;
}
