/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_REQUEST_H
#define KPROXY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctx.h"

struct endpoint;
struct nl_msg;
struct nlattr;

/**
 * struct mark - which word of the command line an attribute came from
 * @offset: of the attribute, from the start of the netlink message
 * @what: the kind of word, e.g. "address" or the name of an option
 * @text: the word
 * @place: where in a file it stands
 */
struct mark {
	size_t offset;
	const char *what;
	char *text;
	struct place place;
};

/**
 * struct request - a message to the kernel in the making
 * @msg: the message
 * @dump: asks for all objects that match
 * @most: messages of the answer that are wanted, 0 for all
 * @full: an attribute did not fit
 * @interrupted: the objects changed while they were dumped
 * @marks: where its attributes came from, by ascending offset
 * @n_marks: how many
 * @at: where in a file the word is that an attribute is made from, or NULL
 */
struct request {
	struct nl_msg *msg;
	bool dump;
	size_t most;
	bool full;
	bool interrupted;
	struct mark *marks;
	size_t n_marks;
	const struct place *at;
};

/* @cmd is one of KPROXY_CMD_*. */
struct request *request_new(uint8_t cmd);
void request_free(struct request *req);

/* Make it another command. */
void request_set_command(struct request *req, uint8_t cmd);

/*
 * Each adds one attribute. @what must be constant, @text is copied. An
 * attribute that does not fit sets @full, which is reported when the request is
 * sent.
 */
void request_flag(struct request *req, uint16_t attr, const char *text);
void request_string(struct request *req, uint16_t attr, const char *what,
		    const char *text);
/* A string that is not what was typed. */
void request_text(struct request *req, uint16_t attr, const char *what,
		  const char *text, const char *value);
void request_u8(struct request *req, uint16_t attr, const char *what,
		const char *text, uint8_t value);
void request_u32(struct request *req, uint16_t attr, const char *what,
		 const char *text, uint32_t value);
void request_u64(struct request *req, uint16_t attr, const char *what,
		 const char *text, uint64_t value);
/* A nest of @n numbers, the attributes 1 to @n. */
void request_numbers(struct request *req, uint16_t attr, const char *what,
		     const char *text, const uint32_t *numbers, uint16_t n);
void request_binary(struct request *req, uint16_t attr, const char *what,
		    const char *text, const void *data, size_t len);
/* A nest of attributes that follow until its end; NULL if it did not fit. */
struct nlattr *request_nest(struct request *req, uint16_t attr,
			    const char *what, const char *text);
void request_nest_end(struct request *req, struct nlattr *nest);
void request_endpoint(struct request *req, uint16_t attr, const char *what,
		      const char *text, const struct endpoint *ep);

/* The mark of the attribute that holds @offset, or NULL. */
const struct mark *request_find_mark(const struct request *req, size_t offset);

#endif
