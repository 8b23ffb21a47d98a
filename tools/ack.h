/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_ACK_H
#define KPROXY_ACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct request;

#define ACK_MESSAGE_MAX 256

/**
 * struct ack - the kernel's answer to a request, with its extended part
 * @error: positive errno, 0 when all went well
 * @message: the kernel's reason, or ""
 * @offset: of the attribute that it names as bad, 0 when it names none
 * @missing: type of the attribute that it misses, 0 when it misses none
 */
struct ack {
	int error;
	char message[ACK_MESSAGE_MAX];
	uint32_t offset;
	uint32_t missing;
};

/* Read an NLMSG_ERROR or, at the end of a dump, an NLMSG_DONE. */
void ack_parse(struct ack *ack, const struct nlmsghdr *hdr);

/**
 * ack_explain() - say why the kernel refused a request
 * @ack: what it answered
 * @req: what it was asked
 * @known: the word that the user is shown anyway, or NULL
 * @buf: gets the reason, led by the word that the kernel objects to
 * @size: of @buf
 */
void ack_explain(const struct ack *ack, const struct request *req,
		 const char *known, char *buf, size_t size);

#endif
