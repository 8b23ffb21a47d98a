/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The records of an answer as JSON, in order, so that a name server that rotates
 * them has changed nothing.
 */
#ifndef KPROXY_DNS_RECORD_H
#define KPROXY_DNS_RECORD_H

#include <jansson.h>
#include <stdint.h>

#include "cares.h"

/*
 * The addresses of a family to which a session could be connected, an array of
 * texts, for json_decref(). @found may be NULL; @ttl gets the shortest life of one
 * in seconds.
 */
json_t *dns_addresses(const struct ares_addrinfo *found, int family,
		      uint64_t *ttl);

/*
 * The servers of a service, an array of {host, port, priority, weight}, for
 * json_decref(), and their shortest life in seconds. Returns a status of c-ares;
 * if the message cannot be read, there are none.
 */
int dns_services(const unsigned char *message, int len, json_t **records,
		 uint64_t *ttl);

#endif
