/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Accepting clients and connecting each to its server: what "relay" and
 * "sockmap" have in common. One process, edge-triggered epoll.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include <stdint.h>

enum { CLIENT, SERVER, SIDES };

struct pair {
	struct side {
		struct pair *pair;
		int fd;
	} sides[SIDES];
	int connected;
	int closing;
	struct pair *next;	/* of those that end after this turn */
	void *data;		/* the user's */
};

struct pair_ops {
	/* Both sides are connected. False ends the pair. */
	int (*start)(struct pair *pair);
	/* Something happened on a side: EPOLL*. False ends the pair. */
	int (*event)(struct pair *pair, int side, uint32_t events);
	void (*end)(struct pair *pair);
};

/* ARGS are LISTEN=SERVER, both ADDR:PORT. Does not return. */
void pairs_run(const struct pair_ops *ops, char **args);

#endif
