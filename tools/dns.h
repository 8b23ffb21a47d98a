/* SPDX-License-Identifier: GPL-2.0 */
/* Host names and services that are looked up again and again, by c-ares. */
#ifndef KPROXY_DNS_H
#define KPROXY_DNS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct dns;

/**
 * struct dns_options - how names are looked up
 * @servers: name servers as a list with commas, NULL for those of resolv.conf
 * @min_ms: no answer is used for a shorter time
 * @max_ms: none is used for a longer time
 */
struct dns_options {
	const char *servers;
	uint64_t min_ms;
	uint64_t max_ms;
};

/* Ends the command with a message when c-ares cannot work. */
struct dns *dns_new(const struct dns_options *options);
void dns_free(struct dns *dns);

/* A descriptor that is readable when there is something to do. */
int dns_fd(const struct dns *dns);

/* Milliseconds until there is something to do by itself, at most @ms. */
int dns_timeout(const struct dns *dns, int ms);

/*
 * Read answers, give up what takes too long, and look up again what is due.
 * Returns whether an answer has changed since the last call.
 */
bool dns_run(struct dns *dns);

/*
 * The last good answers of a name, which is looked up from now on: an array, for
 * json_decref(), of the addresses of a host, or of {host, port, priority, weight} of
 * a service. It is empty as long as there was none.
 */
json_t *dns_answer(struct dns *dns, const char *host);

/**
 * dns_find() - the addresses of a name, which is looked up from now on
 * @dns: what looks up
 * @host: a host name; one that begins with "_" is a service
 * @port: of a host
 *
 * When a look-up fails, the last answer goes on.
 *
 * Return: an array of {address, weight, rank}, for json_decref(); weight and rank
 * are those of a service. NULL as long as there was no answer
 */
json_t *dns_find(struct dns *dns, const char *host, uint16_t port);

/* Why the last look-up of a name has failed, NULL if it has not. */
const char *dns_failure(const struct dns *dns, const char *host);

/* Forget what was not asked for since the last call. */
void dns_collect(struct dns *dns);

#endif
