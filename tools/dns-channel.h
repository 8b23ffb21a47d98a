/* SPDX-License-Identifier: GPL-2.0 */
/* The name servers that are asked, by c-ares. */
#ifndef KPROXY_DNS_CHANNEL_H
#define KPROXY_DNS_CHANNEL_H

#include <stdbool.h>
#include <time.h>

#include "cares.h"

/**
 * struct dns_channel - the name servers
 * @servers: as a list with commas, NULL for those of resolv.conf
 * @ares: of c-ares; asks them
 * @epoll: its sockets
 * @conf: when resolv.conf was changed
 */
struct dns_channel {
	const char *servers;
	ares_channel ares;
	int epoll;
	struct timespec conf;
};

/* Ends the command with a message when c-ares cannot work. */
void dns_channel_init(struct dns_channel *c, const char *servers);

/* Answers everything that is asked. */
void dns_channel_destroy(struct dns_channel *c);

/* Whether there may be other name servers since they were read. */
bool dns_channel_is_stale(const struct dns_channel *c);

/* Read which name servers there are; what is asked is answered first. */
void dns_channel_reopen(struct dns_channel *c);

/* Read answers, and give up what takes too long. */
void dns_channel_run(struct dns_channel *c);

/* Milliseconds until something takes too long, at most @ms. */
int dns_channel_timeout(const struct dns_channel *c, int ms);

#endif
