/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_HTTP_HEADER_H
#define KPROXY_HTTP_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * http_prefers_openmetrics() - choose a format by the header Accept
 * @accept: its value, or NULL
 *
 * The client gets what it gives the higher quality; of two that are equal, the
 * one that it names first. A range with a wildcard means the older text format,
 * which every reader knows.
 *
 * Return: whether the client prefers OpenMetrics 1.0
 */
bool http_prefers_openmetrics(const char *accept);

/**
 * http_host_is_ours() - check the header Host
 * @host: its value
 * @names: further names that are permitted
 * @n: how many
 *
 * A page of another site can make a browser send requests to this machine by a
 * name of that site which resolves to our address. An address is safe, because
 * that page has another origin; so are localhost and the names of the
 * administrator.
 *
 * Return: whether requests to that host may be answered
 */
bool http_host_is_ours(const char *host, const char *const *names, size_t n);

#endif
