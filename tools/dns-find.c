// SPDX-License-Identifier: GPL-2.0
/* The addresses of a name: those of a host, or of the hosts of a service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "dns.h"

#define WEIGHT_MAX 256

static void add_address(json_t *list, const char *host, uint16_t port,
			json_int_t weight, json_int_t rank)
{
	char *text;

	if (asprintf(&text, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
		     port) < 0)
		alloc_failed();
	json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "address", text,
					      "weight", weight, "rank", rank));
	free(text);
}

static void add_host(struct dns *dns, json_t *list, const char *host,
		     uint16_t port, json_int_t weight, json_int_t rank)
{
	json_t *answer = dns_answer(dns, host), *value;
	size_t i;

	json_array_foreach(answer, i, value)
		add_address(list, json_string_value(value), port, weight, rank);
	json_decref(answer);
}

/* Weights are up to 65535 in DNS; 0 is little, not nothing. */
static json_int_t scale(json_int_t weight, json_int_t max)
{
	if (max > WEIGHT_MAX)
		weight = weight * WEIGHT_MAX / max;
	return weight ? weight : 1;
}

static json_int_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static void add_service(struct dns *dns, json_t *list, const json_t *records)
{
	json_int_t max = 0, rank = 0, last = -1;
	json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
		if (number(record, "weight") > max)
			max = number(record, "weight");
	json_array_foreach(records, i, record) {
		if (last >= 0 && number(record, "priority") != last)
			rank++;
		last = number(record, "priority");
		add_host(dns, list,
			 json_string_value(json_object_get(record, "host")),
			 number(record, "port"),
			 scale(number(record, "weight"), max), rank);
	}
}

json_t *dns_find(struct dns *dns, const char *host, uint16_t port)
{
	json_t *list = json_array(), *records;

	if (*host != '_') {
		add_host(dns, list, host, port, 0, 0);
	} else {
		/* It names hosts, which may become names here. */
		records = dns_answer(dns, host);
		add_service(dns, list, records);
		json_decref(records);
	}
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}
