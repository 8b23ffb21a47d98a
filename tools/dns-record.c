// SPDX-License-Identifier: GPL-2.0
#include "dns-record.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "alloc.h"

/* More addresses or servers of one name are ignored. */
#define RECORDS_MAX 1024

/* The text of an address that a session could be connected to, or false. */
static bool format_address(const struct sockaddr *sa, char *buf)
{
	struct endpoint ep = { .family = sa->sa_family };

	if (ep.family == AF_INET)
		ep.v4 = ((const struct sockaddr_in *)sa)->sin_addr;
	else if (ep.family == AF_INET6)
		ep.v6 = ((const struct sockaddr_in6 *)sa)->sin6_addr;
	else
		return false;
	endpoint_unmap(&ep);
	if (ep.family == AF_INET)
		return ep.v4.s_addr && !IN_MULTICAST(ntohl(ep.v4.s_addr)) &&
		       inet_ntop(AF_INET, &ep.v4, buf, INET6_ADDRSTRLEN);
	return !IN6_IS_ADDR_UNSPECIFIED(&ep.v6) &&
	       !IN6_IS_ADDR_MULTICAST(&ep.v6) &&
	       !IN6_IS_ADDR_LINKLOCAL(&ep.v6) &&
	       inet_ntop(AF_INET6, &ep.v6, buf, INET6_ADDRSTRLEN);
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order, so that a server that rotates them has changed nothing. */
static json_t *sorted(const json_t *set)
{
	size_t n = json_object_size(set), i = 0;
	const char **list = xgrow(NULL, n + 1, sizeof(*list)), *key;
	json_t *value, *array = json_array();

	json_object_foreach((json_t *)set, key, value)
		list[i++] = key;
	qsort(list, n, sizeof(*list), text_cmp);
	for (i = 0; i < n; i++)
		json_array_append_new(array, json_string(list[i]));
	free(list);
	return array;
}

json_t *dns_addresses(const struct ares_addrinfo *found, int family,
		      uint64_t *ttl)
{
	const struct ares_addrinfo_node *node;
	json_t *set = json_object(), *array;
	char text[INET6_ADDRSTRLEN];

	*ttl = INT32_MAX;
	for (node = found ? found->nodes : NULL; node; node = node->ai_next) {
		if (node->ai_family != family ||
		    json_object_size(set) == RECORDS_MAX ||
		    !format_address(node->ai_addr, text))
			continue;
		json_object_set_new(set, text, json_true());
		if (node->ai_ttl >= 0 && (uint64_t)node->ai_ttl < *ttl)
			*ttl = node->ai_ttl;
	}
	array = sorted(set);
	json_decref(set);
	return array;
}

static unsigned int get16(const unsigned char *at)
{
	return at[0] << 8 | at[1];
}

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* The name at @at; returns what follows it, or NULL. */
static const unsigned char *skip_name(const unsigned char *at,
				      const unsigned char *message, int len)
{
	char *name;
	long size;

	if (at >= message + len ||
	    ares_expand_name(at, message, len, &name, &size))
		return NULL;
	ares_free_string(name);
	return at + size;
}

/* The shortest life of a record of the answer; c-ares does not tell. */
static uint64_t srv_ttl(const unsigned char *message, int len)
{
	const unsigned char *at = message + NS_HFIXEDSZ, *end = message + len;
	uint64_t ttl = INT32_MAX, one;
	unsigned int n;

	if (len < NS_HFIXEDSZ)
		return 0;
	for (n = get16(message + 4); at && n; n--) {
		at = skip_name(at, message, len);
		at = at && end - at >= NS_QFIXEDSZ ? at + NS_QFIXEDSZ : NULL;
	}
	for (n = get16(message + 6); at && n; n--) {
		at = skip_name(at, message, len);
		if (!at || end - at < NS_RRFIXEDSZ)
			break;
		one = get32(at + 4);
		ttl = one < ttl ? one : ttl;
		one = get16(at + 8);
		at += NS_RRFIXEDSZ;
		at = (uint64_t)(end - at) >= one ? at + one : NULL;
	}
	return ttl;
}

static int record_cmp(const void *a, const void *b)
{
	const json_t *p = *(json_t *const *)a, *q = *(json_t *const *)b;
	json_int_t left = json_integer_value(json_object_get(p, "priority"));
	json_int_t right = json_integer_value(json_object_get(q, "priority"));

	if (left != right)
		return left < right ? -1 : 1;
	return strcmp(json_string_value(json_object_get(p, "host")),
		      json_string_value(json_object_get(q, "host")));
}

static json_t *sorted_records(const struct ares_srv_reply *reply)
{
	json_t **list = NULL, *row, *array = json_array();
	size_t n = 0, i;

	for (; reply && n < RECORDS_MAX; reply = reply->next) {
		/* "." says that there is no such service. */
		if (!reply->host || !*reply->host || !reply->port ||
		    !strcmp(reply->host, "."))
			continue;
		row = json_pack("{s:s,s:i,s:i,s:i}", "host", reply->host,
				"port", reply->port, "priority",
				reply->priority, "weight", reply->weight);
		if (!row)
			continue;
		list = xgrow(list, n + 1, sizeof(*list));
		list[n++] = row;
	}
	if (n)
		qsort(list, n, sizeof(*list), record_cmp);
	for (i = 0; i < n; i++)
		json_array_append_new(array, list[i]);
	free(list);
	return array;
}

int dns_services(const unsigned char *message, int len, json_t **records,
		 uint64_t *ttl)
{
	struct ares_srv_reply *reply = NULL;
	int status = ares_parse_srv_reply(message, len, &reply);

	*records = sorted_records(status ? NULL : reply);
	*ttl = status ? 0 : srv_ttl(message, len);
	if (reply)
		ares_free_data(reply);
	return status;
}
