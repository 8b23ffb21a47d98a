// SPDX-License-Identifier: GPL-2.0
/*
 * Follow the names of servers: look them up as long as they are wanted, and pass
 * over the list whenever an answer or the list has changed, and from time to time.
 * Which names there are, and which servers are ours, is in the list of names.h.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "ctx.h"
#include "dns.h"
#include "names.h"
#include "nl.h"
#include "resolver.h"
#include "row.h"
#include "signals.h"
#include "view.h"

/* How often servers are looked at: while some are drained, and otherwise. */
#define BUSY_MS 500
#define IDLE_MS 5000
/* And without any name. */
#define NOTHING_MS 3600000

/*
 * A name ends with its upstream, or with its last server once it was deleted. A
 * list that changes while it is read may lack an upstream, but hardly twice.
 */
static bool is_over(struct resolver *r, json_t *name)
{
	bool missing = json_object_get(name, "missing");

	if (json_object_get(r->upstreams, row_text(name, "upstream"))) {
		if (missing)
			json_object_del(name, "missing");
		return json_object_get(name, "gone") &&
		       !json_object_size(json_object_get(name, "servers"));
	}
	json_object_set_new(name, "missing", json_true());
	r->changed = true;
	r->busy = true;
	return missing;
}

static void prune(struct resolver *r)
{
	size_t i;

	for (i = json_array_size(r->names.rows); i--;) {
		if (!is_over(r, json_array_get(r->names.rows, i)))
			continue;
		json_array_remove(r->names.rows, i);
		r->changed = true;
	}
}

static bool has_names(const struct resolver *r, const char *upstream)
{
	json_t *name;
	size_t i;

	json_array_foreach(r->names.rows, i, name)
		if (!strcmp(row_text(name, "upstream"), upstream))
			return true;
	return false;
}

static void follow_all(struct resolver *r)
{
	json_t *rows = json_array(), *upstream;
	const char *key;

	r->ctx->object = NULL;
	r->ctx->name = NULL;
	r->ctx->stats = true;
	if (view_rows(r->ctx, &upstream_view, rows)) {
		nl_forget(r->ctx);
		r->failed = true;
		json_decref(rows);
		return;
	}
	r->upstreams = row_index(rows, "name");
	prune(r);
	json_object_foreach(r->upstreams, key, upstream)
		if (has_names(r, key))
			resolver_follow(r, upstream);
	json_decref(r->upstreams);
	json_decref(rows);
}

/* Without the module there is nothing to follow; it may come back. */
static void pass(struct resolver *r)
{
	r->busy = false;
	r->failed = false;
	r->changed = false;
	if (names_open(r->ctx, &r->names, true)) {
		r->failed = true;
	} else if (json_array_size(r->names.rows)) {
		if (nl_find(r->ctx))
			follow_all(r);
		if (r->changed)
			names_save(r->ctx, &r->names);
	}
	r->empty = !json_array_size(r->names.rows);
	names_close(&r->names);
	dns_collect(r->dns);
}

/* Return: whether the list may have changed. */
static bool read_inotify(int fd)
{
	char buf[4096];
	bool any = false;

	while (read(fd, buf, sizeof(buf)) > 0)
		any = true;
	return any;
}

static int watch_names(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0)
		inotify_add_watch(fd, NAMES_DIR, IN_MOVED_TO);
	return fd;
}

static void add_fd(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* A new list is seen at once, whatever this says. */
static int pause_of(const struct resolver *r)
{
	if (r->busy && !r->failed)
		return BUSY_MS;
	return r->empty && !r->failed ? NOTHING_MS : IDLE_MS;
}

static void loop(struct resolver *r)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), inotify = watch_names();
	uint64_t next = 0, now;
	bool due;

	add_fd(epoll, dns_fd(r->dns));
	add_fd(epoll, inotify);
	do {
		due = dns_run(r->dns);
		due |= read_inotify(inotify);
		if (due || clock_us() / 1000 >= next) {
			pass(r);
			next = clock_us() / 1000 + pause_of(r);
		}
		/* Names that a pass has found are asked for at once. */
		now = clock_us() / 1000;
	} while (signals_wait(epoll, dns_timeout(r->dns, next > now ?
						  (int)(next - now) : 0)));
	close(inotify);
	close(epoll);
}

int resolver_run(struct ctx *ctx, const struct dns_options *options)
{
	struct resolver r = { .ctx = ctx };

	ctx->object = NULL;
	if (!names_claim(ctx))
		return ctx_fail(ctx, STATUS_KERNEL,
				"%s cannot be used, or another \"kproxy resolve\" runs",
				NAMES_DIR);
	signals_catch();
	r.dns = dns_new(options);
	r.failures = json_object();
	loop(&r);
	json_decref(r.failures);
	dns_free(r.dns);
	return STATUS_DONE;
}
