// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the server name in the first message of TLS, the ClientHello (RFC 8446,
 * 4.1.2; RFC 6066, 3). These are pure functions: a callback reads the stream.
 * It is asked only for the bytes that matter, in order, and the others are
 * skipped. The message may span any number of records. The parser rejects
 * anything else at its first wrong byte.
 *
 * A parse that needs more bytes resumes later. A step runs only when all its
 * bytes have come, so a client that sends byte by byte costs no more than one
 * that sends all at once.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "client-hello.h"

#define RECORD_HANDSHAKE 22
#define RECORD_MAX 16384
#define MAJOR 3
#define CLIENT_HELLO 1
#define RANDOM_SIZE 32
#define SESSION_MAX 32
#define SERVER_NAME 0
#define HOST_NAME 0
#define ALPN 16

/* Limit of the stream to parse, however short its records are. */
#define STREAM_MAX (2 * KPROXY_HELLO_MAX)

/* Returned by a step when parsing is finished. */
#define FOUND 1

/* The next step, in the order of the message. */
enum step {
	STEP_MESSAGE,
	STEP_VERSION,
	STEP_SESSION,
	STEP_CIPHERS,
	STEP_COMPRESSION,
	STEP_EXTENSIONS,
	STEP_EXTENSION,
	STEP_NAMES,
	STEP_NAME,
	STEP_PROTOCOLS,
};

struct parser {
	struct kproxy_hello h;
	kproxy_hello_read read;
	void *arg;
	char *name;
};

/* The stream's next byte. */
static int next_byte(struct parser *p, u8 *byte)
{
	int err = p->read(p->arg, p->h.at, byte, 1);

	if (!err)
		p->h.at++;
	return err;
}

static int expect_byte(struct parser *p, u8 want)
{
	u8 byte;
	int err;

	err = next_byte(p, &byte);
	if (err)
		return err;
	return byte == want ? 0 : -EPROTO;
}

/* Read a record header: type, version, length. */
static int next_record(struct parser *p)
{
	u8 minor, len[2];
	int err;

	if (p->h.at > STREAM_MAX)
		return -EPROTO;
	err = expect_byte(p, RECORD_HANDSHAKE);
	if (!err)
		err = expect_byte(p, MAJOR);
	if (!err)
		err = next_byte(p, &minor);
	if (!err)
		err = next_byte(p, &len[0]);
	if (!err)
		err = next_byte(p, &len[1]);
	if (err)
		return err;
	p->h.record = get_unaligned_be16(len);
	return p->h.record && p->h.record <= RECORD_MAX ? 0 : -EPROTO;
}

/* Skip the bytes to be skipped. Progress made before an error is kept. */
static int pass(struct parser *p)
{
	struct kproxy_hello was;
	u16 part;
	int err;

	while (p->h.skip) {
		if (!p->h.record) {
			was = p->h;
			err = next_record(p);
			if (err) {
				p->h = was;
				return err;
			}
		}
		part = min(p->h.skip, p->h.record);
		p->h.at += part;
		p->h.record -= part;
		p->h.skip -= part;
	}
	return 0;
}

/* Take the message's next bytes. */
static int take(struct parser *p, u8 *to, u16 len)
{
	u16 part;
	int err;

	if (len > p->h.left)
		return -EPROTO;
	p->h.left -= len;
	for (; len; len -= part) {
		if (!p->h.record) {
			err = next_record(p);
			if (err)
				return err;
		}
		part = min(len, p->h.record);
		err = p->read(p->arg, p->h.at, to, part);
		if (err)
			return err;
		to += part;
		p->h.at += part;
		p->h.record -= part;
	}
	return 0;
}

static int take_u8(struct parser *p, u16 *value)
{
	u8 byte;
	int err;

	err = take(p, &byte, sizeof(byte));
	if (!err)
		*value = byte;
	return err;
}

static int take_u16(struct parser *p, u16 *value)
{
	u8 data[2];
	int err;

	err = take(p, data, sizeof(data));
	if (!err)
		*value = get_unaligned_be16(data);
	return err;
}

/* Skip the message's next bytes, and continue with @next. */
static int skip(struct parser *p, u16 len, enum step next)
{
	if (len > p->h.left)
		return -EPROTO;
	p->h.left -= len;
	p->h.skip = len;
	p->h.step = next;
	return 0;
}

/* Message type and length. From here on, @left counts this message alone. */
static int step_message(struct parser *p)
{
	u16 type, high, low;
	int err;

	p->h.left = 4;
	err = take_u8(p, &type);
	if (err)
		return err;
	if (type != CLIENT_HELLO)
		return -EPROTO;
	err = take_u8(p, &high);
	if (!err)
		err = take_u16(p, &low);
	if (err)
		return err;
	if (high || low > KPROXY_HELLO_MAX)
		return -EPROTO;
	p->h.left = low;
	p->h.step = STEP_VERSION;
	return 0;
}

static int step_version(struct parser *p)
{
	u16 major;
	int err;

	err = take_u8(p, &major);
	if (err)
		return err;
	if (major != MAJOR)
		return -EPROTO;
	return skip(p, 1 + RANDOM_SIZE, STEP_SESSION);
}

static int step_session(struct parser *p)
{
	u16 len;
	int err;

	err = take_u8(p, &len);
	if (err)
		return err;
	return len <= SESSION_MAX ? skip(p, len, STEP_CIPHERS) : -EPROTO;
}

static int step_ciphers(struct parser *p)
{
	u16 len;
	int err;

	err = take_u16(p, &len);
	return err ?: skip(p, len, STEP_COMPRESSION);
}

static int step_compression(struct parser *p)
{
	u16 len;
	int err;

	err = take_u8(p, &len);
	return err ?: skip(p, len, STEP_EXTENSIONS);
}

static int step_extensions(struct parser *p)
{
	u16 len;
	int err;

	/* Old clients send no extensions. */
	if (!p->h.left)
		return -ENOENT;
	err = take_u16(p, &len);
	if (err)
		return err;
	if (len != p->h.left)
		return -EPROTO;
	p->h.step = STEP_EXTENSION;
	return 0;
}

static int step_extension(struct parser *p)
{
	u16 type, len;
	int err;

	if (!p->h.left)
		return -ENOENT;
	err = take_u16(p, &type);
	if (!err)
		err = take_u16(p, &len);
	if (err)
		return err;
	if (type != (p->h.what == KPROXY_HELLO_SNI ? SERVER_NAME : ALPN))
		return skip(p, len, STEP_EXTENSION);
	if (len > p->h.left)
		return -EPROTO;
	/* Nothing after this extension matters. */
	p->h.left = len;
	p->h.step = p->h.what == KPROXY_HELLO_SNI ? STEP_NAMES :
						    STEP_PROTOCOLS;
	return 0;
}

/* A list of names, each with its type. */
static int step_names(struct parser *p)
{
	u16 len;
	int err;

	err = take_u16(p, &len);
	if (err)
		return err;
	if (len != p->h.left)
		return -EPROTO;
	p->h.step = STEP_NAME;
	return 0;
}

static int take_name(struct parser *p, u16 len)
{
	int err;
	u16 i;

	if (!len || len >= KPROXY_HELLO_NAME_SIZE)
		return -EPROTO;
	err = take(p, (u8 *)p->name, len);
	if (err)
		return err;
	p->name[len] = '\0';
	for (i = 0; i < len; i++) {
		if (!p->name[i])
			return -EPROTO;
		if (p->name[i] >= 'A' && p->name[i] <= 'Z')
			p->name[i] += 'a' - 'A';
	}
	return FOUND;
}

static int step_name(struct parser *p)
{
	u16 kind, len;
	int err;

	if (!p->h.left)
		return -ENOENT;
	err = take_u8(p, &kind);
	if (!err)
		err = take_u16(p, &len);
	if (err)
		return err;
	return kind == HOST_NAME ? take_name(p, len) : skip(p, len, STEP_NAME);
}

/* End the list before the first protocol that has not all been taken. */
static int end_protocols(u8 *list, u16 taken, bool all)
{
	u16 at = 0;

	while (at < taken) {
		if (!list[at])
			return -EPROTO;
		if (at + 1 + list[at] > taken)
			break;
		at += 1 + list[at];
	}
	if (!at || (all && at < taken))
		return -EPROTO;
	list[at] = 0;
	return FOUND;
}

static int step_protocols(struct parser *p)
{
	u16 len, taken;
	int err;

	err = take_u16(p, &len);
	if (err)
		return err;
	if (len != p->h.left)
		return -EPROTO;
	taken = min(len, (u16)(KPROXY_HELLO_NAME_SIZE - 1));
	err = take(p, (u8 *)p->name, taken);
	return err ?: end_protocols((u8 *)p->name, taken, taken == len);
}

static int (*const steps[])(struct parser *p) = {
	[STEP_MESSAGE] = step_message,
	[STEP_VERSION] = step_version,
	[STEP_SESSION] = step_session,
	[STEP_CIPHERS] = step_ciphers,
	[STEP_COMPRESSION] = step_compression,
	[STEP_EXTENSIONS] = step_extensions,
	[STEP_EXTENSION] = step_extension,
	[STEP_NAMES] = step_names,
	[STEP_NAME] = step_name,
	[STEP_PROTOCOLS] = step_protocols,
};

/**
 * kproxy_hello_parse() - find what a TLS client requests
 * @hello: the parser's state; calling again after a result gives the same
 *	result
 * @read: reads from the client's stream
 * @arg: for @read
 * @name: where it is stored, KPROXY_HELLO_NAME_SIZE bytes
 *
 * Context: that of @read.
 * Return: 0; -EAGAIN if more bytes are needed; -ENOENT if the client names no
 * server or protocol; -EPROTO if it does not speak TLS; or another error of @read.
 */
int kproxy_hello_parse(struct kproxy_hello *hello, kproxy_hello_read read,
		       void *arg, char *name)
{
	struct parser p = { .h = *hello, .read = read, .arg = arg,
			    .name = name };
	int err;

	do {
		err = pass(&p);
		*hello = p.h;
		if (!err)
			err = steps[p.h.step](&p);
	} while (!err);
	return err == FOUND ? 0 : err;
}
