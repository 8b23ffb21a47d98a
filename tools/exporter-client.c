// SPDX-License-Identifier: GPL-2.0
#include "exporter-client.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "alloc.h"
#include "clock.h"

/* A connection may last so long, in microseconds. */
#define LIFE (60 * 1000000ULL)

/* The same while there are many. */
#define LIFE_IF_MANY (2 * 1000000ULL)
#define MANY (CLIENTS_MAX * 3 / 4)

/**
 * struct client - a connection
 * @entry: in the list
 * @fd: its socket
 * @since: when it was accepted
 */
struct client {
	TAILQ_ENTRY(client) entry;
	int fd;
	uint64_t since;
};

void clients_init(struct clients *clients)
{
	TAILQ_INIT(&clients->list);
	clients->count = 0;
}

struct client *clients_enter(struct clients *clients,
			     struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;
	struct client *client = xmalloc(sizeof(*client));

	info = MHD_get_connection_info(connection,
				       MHD_CONNECTION_INFO_CONNECTION_FD);
	client->fd = info ? info->connect_fd : -1;
	client->since = clock_us();
	TAILQ_INSERT_TAIL(&clients->list, client, entry);
	clients->count++;
	return client;
}

void clients_leave(struct clients *clients, struct client *client)
{
	TAILQ_REMOVE(&clients->list, client, entry);
	clients->count--;
	free(client);
}

int clients_expire(struct clients *clients)
{
	uint64_t life = clients->count < MANY ? LIFE : LIFE_IF_MANY;
	uint64_t now = clock_us();
	struct client *client;

	/*
	 * The library closes it when it finds the end of the stream, and only
	 * then does it leave the list.
	 */
	TAILQ_FOREACH(client, &clients->list, entry) {
		if (now - client->since < life)
			return (life - (now - client->since)) / 1000 + 1;
		shutdown(client->fd, SHUT_RDWR);
	}
	return -1;
}
