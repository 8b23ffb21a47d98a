// SPDX-License-Identifier: GPL-2.0
/*
 * Many sessions through the proxy, whose peers do what comes to their minds: send,
 * pause, read slowly or not at all, end their stream, reset. One process plays all
 * clients and all servers, so that it knows of each byte where it belongs: what it
 * is, is a function of its session, its direction and its place.
 *
 * What each peer does follows from the seed and the number of its session. What
 * must hold, whatever the proxy is told meanwhile:
 *
 * - each peer gets the other's bytes, from the first on, and nothing else;
 * - an end of a stream comes when the peer has ended it, behind its last byte;
 * - each connection comes to an end;
 * - on the listeners that are left alone, no connection is reset but by a peer.
 *
 * For session-fuzz.py, which configures the proxy. It is all a single thread.
 *
 * usage: session-traffic SEED SESSIONS AT-ONCE PATIENCE FRONT... -- BACK...
 *        BACK: ADDRESS:PORT. FRONT: the same, with an "s" behind it when its
 *        listener is left alone, a "p" when it wants the header of the PROXY
 *        protocol.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ENDPOINTS_MAX 16
#define STEPS_MAX 8
#define BUFFER 65536
/* A connection on which nothing happens for so long hangs; milliseconds. */
#define HANGS 40000
#define MAGIC 0x6b507859

enum { TO_SERVER, TO_CLIENT };

enum step_kind {
	STEP_SEND,
	STEP_URGENT,
	STEP_PAUSE,
	/* read nothing meanwhile */
	STEP_STARE,
	STEP_END,
	STEP_RESET,
	/* close, whatever is unread: the kernel makes that an end or a reset */
	STEP_CLOSE,
};

struct step {
	enum step_kind kind;
	__u32 value;
};

/* What each stream begins with, so that the server knows whose it is. */
struct head {
	__u32 magic;
	__u32 id;
	__u64 check;
};

struct session;

/* One end of a connection to the proxy. */
struct peer {
	struct session *s;
	int fd;
	bool server;
	bool connected;
	bool registered;
	bool staring;
	struct step steps[STEPS_MAX];
	unsigned int nr_steps, step;
	/* bytes sent of the step, and in all, without a header before the stream */
	__u32 step_sent;
	__u64 sent, received;
	__u64 paused_until;
	/* it has ended its stream; reset; closed, with bytes unread or not */
	bool ended, reset, closed;
	/* it has seen an end of the stream, or a reset */
	bool saw_end, saw_reset;
	__u32 events;
	/* bytes of a header before the stream that are to be sent */
	char prefix[64];
	unsigned int prefix_len, prefix_sent;
	struct head head;
	unsigned int head_got;
	struct peer *next;
};

struct session {
	__u32 id;
	unsigned int front;
	bool urgent;
	struct peer client;
	struct peer *server;
	/* several servers have begun to hear it */
	unsigned int servers;
	__u64 last;
	bool done;
	struct session *next, *prev;
};

struct endpoint {
	struct sockaddr_storage addr;
	socklen_t len;
	bool safe, proxy;
	char text[80];
	int fd;
};

static struct endpoint fronts[ENDPOINTS_MAX], backs[ENDPOINTS_MAX];
static unsigned int nr_fronts, nr_backs;
static __u64 seed;
static unsigned int sessions_max, at_once, patience, alive, begun;
static struct session all = { .next = &all, .prev = &all };
static struct session **by_id;
static struct peer *strangers;
static struct session *dead_sessions;
static struct peer *dead_strangers;
static int epoll_fd;
static unsigned char buffer[BUFFER];
static unsigned long long bytes;
static unsigned int served, resets, refused, cut, safe_served;
static unsigned int failures;

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static __u64 mix(__u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Random numbers of a peer. */
struct dice {
	__u64 state;
};

static __u32 roll(struct dice *d, __u32 below)
{
	d->state = mix(d->state);
	return (d->state >> 16) % below;
}

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stdout, format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	exit(2);
}

static const char *end_name(const struct peer *p)
{
	return p->saw_reset ? "reset" : p->saw_end ? "end" : "open";
}

static void failed(const struct session *s, const char *format, ...)
{
	va_list args;

	printf("FAILED session %u at %s: ", s->id, fronts[s->front].text);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("; client: sent %llu got %llu step %u/%u %s%s%s saw %s",
	       s->client.sent,
	       s->client.received, s->client.step,
	       s->client.nr_steps, s->client.ended ? "ended " : "",
	       s->client.reset ? "reset " : "",
	       s->client.closed ? "closed " : "", end_name(&s->client));
	if (s->server)
		printf("; server: sent %llu got %llu step %u/%u %s%s%s saw %s",
		       s->server->sent,
		       s->server->received,
		       s->server->step, s->server->nr_steps,
		       s->server->ended ? "ended " : "",
		       s->server->reset ? "reset " : "",
		       s->server->closed ? "closed " : "",
		       end_name(s->server));
	printf("; %u servers\n", s->servers);
	fflush(stdout);
	if (++failures >= 10)
		exit(1);
}

/* The bytes of a stream: eight at a time are a function of where they are. */
static __u64 word_at(__u32 id, int way, __u64 word)
{
	return mix(seed ^ ((__u64)id << 33) ^ ((__u64)way << 32) ^
		   word * 0x2545f4914f6cdd1dULL);
}

static void fill(unsigned char *to, __u32 id, int way, __u64 at,
		 size_t len)
{
	while (len) {
		__u64 word = word_at(id, way, at / 8);
		unsigned int skip = at % 8;
		size_t part = 8 - skip < len ? 8 - skip : len;

		memcpy(to, (unsigned char *)&word + skip, part);
		to += part;
		at += part;
		len -= part;
	}
}

static void make_head(struct head *head, __u32 id, int way)
{
	head->magic = MAGIC + way;
	head->id = id;
	head->check = mix(seed ^ id ^ ((__u64)way << 40));
}

/* Bytes of a whole stream, with the head at its beginning. */
static void stream_fill(unsigned char *to, __u32 id, int way, __u64 at,
			size_t len)
{
	struct head head;
	size_t part;

	if (at < sizeof(head)) {
		make_head(&head, id, way);
		part = sizeof(head) - at < len ? sizeof(head) - at : len;
		memcpy(to, (unsigned char *)&head + at, part);
		to += part;
		at += part;
		len -= part;
	}
	fill(to, id, way, at, len);
}

static void check_bytes(struct peer *p, const unsigned char *data, size_t len)
{
	static unsigned char want[BUFFER];
	struct session *s = p->s;
	size_t i;

	stream_fill(want, s->id, p->server ? TO_SERVER : TO_CLIENT,
		    p->received, len);
	if (memcmp(data, want, len)) {
		for (i = 0; data[i] == want[i]; i++)
			;
		failed(s, "byte %llu to the %s is wrong: %02x%02x%02x%02x, not %02x%02x%02x%02x",
		       p->received + i,
		       p->server ? "server" : "client", data[i],
		       i + 1 < len ? data[i + 1] : 0,
		       i + 2 < len ? data[i + 2] : 0,
		       i + 3 < len ? data[i + 3] : 0, want[i],
		       i + 1 < len ? want[i + 1] : 0,
		       i + 2 < len ? want[i + 2] : 0,
		       i + 3 < len ? want[i + 3] : 0);
		exit(1);
	}
	p->received += len;
	bytes += len;
}

/* Namespaces and sockets */

static void enter(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("namespace %s: %s", name, strerror(errno));
	close(fd);
}

static void parse_endpoint(struct endpoint *e, char *text)
{
	char *port = strrchr(text, ':'), *letters;
	struct sockaddr_in *in = (void *)&e->addr;
	struct sockaddr_in6 *in6 = (void *)&e->addr;

	snprintf(e->text, sizeof(e->text), "%s", text);
	if (!port)
		die("no port: %s", text);
	*port++ = 0;
	letters = port + strspn(port, "0123456789");
	e->safe = strchr(letters, 's');
	e->proxy = strchr(letters, 'p');
	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(atoi(port));
		e->len = sizeof(*in6);
		if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
			die("address: %s", text);
	} else {
		in->sin_family = AF_INET;
		in->sin_port = htons(atoi(port));
		e->len = sizeof(*in);
		if (inet_pton(AF_INET, text, &in->sin_addr) != 1)
			die("address: %s", text);
	}
}

static void set_int(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static void watch(struct peer *p, __u32 events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	if (p->registered && p->events == events)
		return;
	if (epoll_ctl(epoll_fd, p->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		      p->fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
	p->registered = true;
	p->events = events;
}

/* What a peer will do. */
static void plan(struct peer *p, __u32 id, bool urgent)
{
	struct dice d = { mix(seed ^ ((__u64)id << 1) ^ p->server) };
	unsigned int n = 1 + roll(&d, 4), i;
	struct step *step = p->steps;

	for (i = 0; i < n; i++, step++) {
		switch (roll(&d, 12)) {
		case 0:
			step->kind = STEP_PAUSE;
			step->value = roll(&d, 60);
			break;
		case 1:
			step->kind = STEP_STARE;
			step->value = roll(&d, 120);
			break;
		case 2:
			step->kind = urgent && i == 1 ? STEP_URGENT : STEP_SEND;
			step->value = 1 + roll(&d, 100);
			break;
		case 3:
			step->kind = STEP_SEND;
			step->value = 1 + roll(&d, 150000);
			break;
		case 4:
			step->kind = STEP_SEND;
			step->value = 1 + roll(&d, 30000);
			break;
		default:
			step->kind = STEP_SEND;
			step->value = 1 + roll(&d, 3000);
		}
	}
	/* The first one has the head in it. */
	if (p->steps[0].kind != STEP_SEND || p->steps[0].value < 64) {
		p->steps[0].kind = STEP_SEND;
		p->steps[0].value = 64;
	}
	switch (roll(&d, 14)) {
	case 0:
		step->kind = STEP_RESET;
		break;
	case 1:
		step->kind = STEP_CLOSE;
		break;
	default:
		step->kind = STEP_END;
	}
	p->nr_steps = n + 1;
}

static void session_touch(struct session *s)
{
	s->last = now_ms();
}

static void peer_shut(struct peer *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
	p->registered = false;
}

/* An event that was told already may be of it: free it when all are handled. */
static void session_free(struct session *s)
{
	by_id[s->id] = NULL;
	s->next->prev = s->prev;
	s->prev->next = s->next;
	s->next = dead_sessions;
	dead_sessions = s;
	alive--;
}

static void free_dead(void)
{
	struct session *s;
	struct peer *p;

	while ((s = dead_sessions)) {
		dead_sessions = s->next;
		free(s->server);
		free(s);
	}
	while ((p = dead_strangers)) {
		dead_strangers = p->next;
		free(p);
	}
}

/* What both have seen, when both have come to their end. */
static void judge(struct session *s)
{
	const struct peer *c = &s->client, *v = s->server;
	bool safe = fronts[s->front].safe;
	bool peers_reset = c->reset || c->closed || (v && (v->reset || v->closed));

	if (c->saw_end && v && !v->ended && !v->closed)
		failed(s, "the client got an end that the server has not sent");
	if (c->saw_end && v && c->received != v->sent)
		failed(s, "the client's stream ended early");
	if (c->saw_end && !v)
		failed(s, "the client got an end without a server");
	if (v && v->saw_end && !c->ended && !c->closed)
		failed(s, "the server got an end that the client has not sent");
	if (v && v->saw_end && v->received != c->sent)
		failed(s, "the server's stream ended early");
	if (c->saw_end && v && v->saw_end) {
		served++;
		safe_served += safe;
	} else if (!v) {
		refused++;
	} else {
		resets++;
	}
	if (safe && !peers_reset && !(c->saw_end && v && v->saw_end))
		failed(s, "reset on a listener that is left alone");
	cut += peers_reset;
}

static bool peer_over(const struct peer *p)
{
	return p->fd < 0;
}

static void session_check(struct session *s)
{
	if (!peer_over(&s->client) || (s->server && !peer_over(s->server)))
		return;
	if (!s->done) {
		s->done = true;
		judge(s);
	}
	session_free(s);
}

/* A peer that has ended its stream and seen the other's end is through. */
static void peer_check(struct peer *p)
{
	struct session *s = p->s;

	if (p->fd >= 0 && p->saw_end && p->ended)
		peer_shut(p);
	session_check(s);
}

static void peer_reset(struct peer *p)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	p->reset = true;
	peer_shut(p);
}

static bool peer_broken(struct peer *p)
{
	p->saw_reset = true;
	peer_shut(p);
	return false;
}

static bool is_reset(int err)
{
	return err == ECONNRESET || err == EPIPE || err == ECONNREFUSED ||
	       err == ETIMEDOUT || err == EHOSTUNREACH || err == ENETUNREACH ||
	       err == ECONNABORTED;
}

/* Send what its plan says; false when the socket is gone. */
static bool peer_send(struct peer *p)
{
	struct session *s = p->s;
	int way = p->server ? TO_CLIENT : TO_SERVER;

	while (p->prefix_sent < p->prefix_len) {
		ssize_t n = send(p->fd, p->prefix + p->prefix_sent,
				 p->prefix_len - p->prefix_sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? true : peer_broken(p);
		p->prefix_sent += n;
	}
	while (p->step < p->nr_steps && !p->ended) {
		struct step *step = &p->steps[p->step];
		__u64 now;
		size_t len;
		ssize_t n;

		switch (step->kind) {
		case STEP_SEND:
		case STEP_URGENT:
			len = step->value - p->step_sent;
			if (len > 16384)
				len = 16384;
			stream_fill(buffer, s->id, way, p->sent, len);
			n = send(p->fd, buffer, len, MSG_NOSIGNAL |
				 (step->kind == STEP_URGENT ? MSG_OOB : 0));
			if (n < 0 && errno == EAGAIN)
				return true;
			if (n < 0 && is_reset(errno))
				return peer_broken(p);
			if (n < 0)
				die("send: %s", strerror(errno));
			p->sent += n;
			p->step_sent += n;
			session_touch(s);
			if (p->step_sent < step->value)
				continue;
			break;
		case STEP_PAUSE:
		case STEP_STARE:
			now = now_ms();
			if (!p->paused_until) {
				p->paused_until = now + step->value;
				p->staring = step->kind == STEP_STARE;
			}
			if (now < p->paused_until)
				return true;
			p->paused_until = 0;
			p->staring = false;
			break;
		case STEP_END:
			p->ended = true;
			shutdown(p->fd, SHUT_WR);
			session_touch(s);
			break;
		case STEP_RESET:
			peer_reset(p);
			return false;
		case STEP_CLOSE:
			p->closed = true;
			peer_shut(p);
			return false;
		}
		p->step++;
		p->step_sent = 0;
	}
	return true;
}

/* A server learns whose it is from the head, of which part may have come. */
static bool stranger_hear(struct peer *p, const unsigned char *data, size_t len)
{
	struct session *s;
	struct head want;
	size_t part = sizeof(p->head) - p->head_got;

	part = part < len ? part : len;
	memcpy((unsigned char *)&p->head + p->head_got, data, part);
	p->head_got += part;
	if (p->head_got < sizeof(p->head))
		return true;
	make_head(&want, p->head.id, TO_SERVER);
	s = p->head.id < sessions_max ? by_id[p->head.id] : NULL;
	if (memcmp(&want, &p->head, sizeof(want)))
		die("FAILED a server got what no stream begins with: %08x %08x",
		    p->head.magic, p->head.id);
	if (!s) {
		/* Its client is gone by now. */
		peer_reset(p);
		return false;
	}
	s->servers++;
	if (s->server) {
		failed(s, "a second server has heard it");
		peer_reset(p);
		return false;
	}
	s->server = p;
	p->s = s;
	plan(p, s->id, s->urgent);
	p->received = 0;
	check_bytes(p, (unsigned char *)&p->head, sizeof(p->head));
	if (len > part)
		check_bytes(p, data + part, len - part);
	session_touch(s);
	return true;
}

static void stranger_remove(struct peer *p)
{
	struct peer **at;

	for (at = &strangers; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			return;
		}
}

/* Receive what there is; false when the socket is gone. */
static bool peer_receive(struct peer *p)
{
	unsigned int rounds;

	if (p->saw_end || p->staring)
		return true;
	for (rounds = 0; rounds < 4; rounds++) {
		size_t want = p->s ? BUFFER : sizeof(p->head) - p->head_got;
		ssize_t n = recv(p->fd, buffer, want, 0);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0 && is_reset(errno))
			return peer_broken(p);
		if (n < 0)
			die("recv: %s", strerror(errno));
		if (!n) {
			p->saw_end = true;
			if (!p->s)
				die("FAILED a server got an end before anything");
			session_touch(p->s);
			return true;
		}
		if (!p->s) {
			if (!stranger_hear(p, buffer, n))
				return false;
			if (p->s) {
				stranger_remove(p);
				p->next = NULL;
			}
			continue;
		}
		check_bytes(p, buffer, n);
		session_touch(p->s);
	}
	return true;
}

static void peer_want(struct peer *p)
{
	__u32 events = 0;
	const struct step *step = &p->steps[p->step];

	if (p->fd < 0)
		return;
	if (!p->saw_end && !p->staring)
		events |= EPOLLIN;
	if (!p->connected ||
	    (p->s && p->step < p->nr_steps && !p->ended &&
	     (p->prefix_sent < p->prefix_len || step->kind == STEP_SEND ||
	      step->kind == STEP_URGENT)))
		events |= EPOLLOUT;
	watch(p, events);
}

static void peer_turn(struct peer *p, __u32 events)
{
	struct session *s = p->s;
	bool alive_;

	if (!p->connected) {
		int err = 0;
		socklen_t len = sizeof(err);

		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err) {
			peer_broken(p);
			session_check(s);
			return;
		}
		p->connected = true;
	}
	/* A reset while it stares or has seen the end is told by nothing else. */
	if (events & (EPOLLERR | EPOLLHUP) && (p->staring || p->saw_end)) {
		int err = 0;
		socklen_t len = sizeof(err);

		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err) {
			peer_broken(p);
			if (s)
				session_check(s);
			return;
		}
	}
	alive_ = peer_receive(p);
	s = p->s;
	if (alive_ && s)
		alive_ = peer_send(p);
	if (!s) {
		if (!alive_) {
			stranger_remove(p);
			p->next = dead_strangers;
			dead_strangers = p;
			return;
		}
		peer_want(p);
		return;
	}
	if (alive_)
		peer_want(p);
	peer_check(p);
}

/* Beginnings */

static void session_begin(__u32 id)
{
	struct dice d = { mix(seed ^ 0x5e55 ^ ((__u64)id << 8)) };
	struct session *s = calloc(1, sizeof(*s));
	struct peer *p = &s->client;
	struct endpoint *e;

	s->id = id;
	s->front = roll(&d, nr_fronts);
	s->urgent = !roll(&d, 8);
	e = &fronts[s->front];
	session_touch(s);
	p->s = s;
	plan(p, id, s->urgent);
	p->fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
		       SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		die("socket: %s", strerror(errno));
	if (!roll(&d, 6))
		set_int(p->fd, SOL_SOCKET, SO_RCVBUF, 2048 + roll(&d, 8192));
	if (!roll(&d, 6))
		set_int(p->fd, SOL_SOCKET, SO_SNDBUF, 2048 + roll(&d, 8192));
	if (roll(&d, 2))
		set_int(p->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (!roll(&d, 10))
		set_int(p->fd, IPPROTO_TCP, TCP_MAXSEG, 100 + roll(&d, 1300));
	set_int(p->fd, SOL_SOCKET, SO_OOBINLINE, 1);
	if (e->proxy)
		p->prefix_len = snprintf(p->prefix, sizeof(p->prefix),
					 "PROXY TCP4 192.0.2.%u 192.0.2.254 %u 80\r\n",
					 1 + id % 200, 1024 + id % 60000);
	s->next = all.next;
	s->prev = &all;
	all.next->prev = s;
	all.next = s;
	by_id[id] = s;
	alive++;
	if (connect(p->fd, (struct sockaddr *)&e->addr, e->len) &&
	    errno != EINPROGRESS) {
		if (!is_reset(errno) && errno != EADDRNOTAVAIL)
			die("connect to %s: %s", e->text, strerror(errno));
		peer_broken(p);
		session_check(s);
		return;
	}
	peer_want(p);
}

static void accept_all(struct endpoint *e)
{
	struct peer *p;
	int fd;

	while ((fd = accept4(e->fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		p = calloc(1, sizeof(*p));
		p->fd = fd;
		p->server = true;
		p->connected = true;
		set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
		p->next = strangers;
		strangers = p;
		watch(p, EPOLLIN);
	}
}

static void listen_all(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	unsigned int i;

	for (i = 0; i < nr_backs; i++) {
		struct endpoint *e = &backs[i];

		e->fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
			       SOCK_CLOEXEC, 0);
		set_int(e->fd, SOL_SOCKET, SO_REUSEADDR, 1);
		/* Some have small windows; it is inherited. */
		if (i % 3 == 1)
			set_int(e->fd, SOL_SOCKET, SO_RCVBUF, 4096);
		if (bind(e->fd, (struct sockaddr *)&e->addr, e->len) ||
		    listen(e->fd, 4096))
			die("listen on %s: %s", e->text, strerror(errno));
		ev.data.ptr = e;
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, e->fd, &ev);
	}
}

static bool is_back(const void *ptr)
{
	return ptr >= (void *)backs && ptr < (void *)(backs + ENDPOINTS_MAX);
}

/* Those that pause go on; those that hang are told of. */
static void look_at_all(void)
{
	__u64 now = now_ms();
	struct session *s, *next;

	for (s = all.next; s != &all; s = next) {
		struct peer *peers[] = { &s->client, s->server };
		bool gone = false;
		int i;

		next = s->next;
		for (i = 0; i < 2 && !gone; i++) {
			struct peer *p = peers[i];

			if (!p || p->fd < 0 || !p->paused_until ||
			    now < p->paused_until)
				continue;
			/* It may free the session. */
			gone = true;
			peer_turn(p, 0);
		}
		if (!gone && now - s->last > HANGS * patience) {
			failed(s, "hangs");
			peer_shut(&s->client);
			if (s->server)
				peer_shut(s->server);
			s->done = true;
			session_check(s);
		}
	}
}

static void run(void)
{
	struct epoll_event events[64];
	__u64 looked = now_ms(), told = looked;
	int n, i;

	while (begun < sessions_max || alive) {
		while (begun < sessions_max && alive < at_once)
			session_begin(begun++);
		n = epoll_wait(epoll_fd, events, 64, 5);
		for (i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;

			if (is_back(p)) {
				accept_all((void *)p);
				continue;
			}
			if (p->fd >= 0)
				peer_turn(p, events[i].events);
		}
		if (now_ms() - looked >= 5) {
			looked = now_ms();
			look_at_all();
		}
		free_dead();
		if (now_ms() - told >= 10000) {
			told = now_ms();
			printf("# %u sessions begun, %u alive\n", begun, alive);
			fflush(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 65536, 65536 };
	int i = 5;

	if (argc < 8)
		die("usage: session-traffic SEED SESSIONS AT-ONCE PATIENCE FRONT... -- BACK...");
	setrlimit(RLIMIT_NOFILE, &limit);
	signal(SIGPIPE, SIG_IGN);
	seed = mix(strtoull(argv[1], NULL, 10));
	sessions_max = atoi(argv[2]);
	at_once = atoi(argv[3]);
	patience = atoi(argv[4]);
	for (; i < argc && strcmp(argv[i], "--"); i++)
		parse_endpoint(&fronts[nr_fronts++], argv[i]);
	for (i++; i < argc; i++)
		parse_endpoint(&backs[nr_backs++], argv[i]);
	by_id = calloc(sessions_max, sizeof(*by_id));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	enter("kp-server");
	listen_all();
	enter("kp-client");
	run();
	printf("# %u sessions: %u came to both ends, %u of these left alone\n",
	       begun, served, safe_served);
	printf("# %u were reset, %u had no server, %u with a peer that resets\n",
	       resets, refused, cut);
	printf("# %llu bytes compared\n", bytes);
	fflush(stdout);
	return failures != 0;
}
