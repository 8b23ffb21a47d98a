/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_EXPORTER_CLIENT_H
#define KPROXY_EXPORTER_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct MHD_Connection;

/* Connections at a time; others wait to be accepted. */
#define CLIENTS_MAX 256

struct client;

/**
 * struct clients - who is connected, from the first
 * @list: of connections
 * @count: how many
 */
struct clients {
	TAILQ_HEAD(, client) list;
	size_t count;
};

void clients_init(struct clients *clients);

/* A connection has come; returns what clients_leave() takes. */
struct client *clients_enter(struct clients *clients,
			     struct MHD_Connection *connection);
void clients_leave(struct clients *clients, struct client *client);

/**
 * clients_expire() - close connections that take too long
 * @clients: all of them
 *
 * A time-out for silence alone would not end a client that sends or takes a
 * byte now and then. When nearly all connections are in use, those that have
 * lasted longest go first, so that slow clients cannot keep others out.
 *
 * Return: milliseconds until the next call is due, -1 for no time
 */
int clients_expire(struct clients *clients);

#endif
