// SPDX-License-Identifier: GPL-2.0
/*
 * Each name has up to two questions, asked at the same time: A and AAAA of a host,
 * SRV of a service. Each question keeps its last good answer. That there is no
 * such record ends an answer only if the other question has a good one: a name
 * without any address keeps those that it had.
 */
#include "dns.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "alloc.h"
#include "cares.h"
#include "dns-channel.h"
#include "dns-record.h"

/* The first pause after a look-up that failed; each later one is twice as long. */
#define RETRY_MS 1000
#define RETRY_MAX_MS 60000

/* The outcome of a query. */
enum outcome {
	GOOD,
	NONE,	/* there are no such records */
	FAILED,
};

/**
 * struct question - one kind of record of a name
 * @name: whose it is
 * @family: AF_INET or AF_INET6 of a host, AF_UNSPEC for SRV records
 * @asking: an answer is waited for
 * @outcome: of the last look-up
 * @fresh: its answer, if it is good
 * @ttl_ms: how long that holds
 * @answer: the last good one: of a host an array of addresses, of a service one
 *	of {host, port, priority, weight}; NULL before the first
 */
struct question {
	struct name *name;
	int family;
	bool asking;
	enum outcome outcome;
	json_t *fresh;
	uint64_t ttl_ms;
	json_t *answer;
};

/**
 * struct name - a name that is looked up
 * @dns: by whom
 * @next: the next name
 * @text: the name
 * @used: it was asked for since dns_collect()
 * @gone: it is freed when its last answer has come
 * @due: when to ask next, in milliseconds
 * @pause: after a failure: how long until then
 * @failure: why the last look-up failed, or NULL
 * @questions: what is asked, at the same time
 * @n: how many
 */
struct name {
	struct dns *dns;
	struct name *next;
	char *text;
	bool used;
	bool gone;
	uint64_t due;
	uint64_t pause;
	const char *failure;
	struct question questions[2];
	int n;
};

/**
 * struct dns - all names
 * @options: how they are looked up
 * @channel: the name servers
 * @names: a list
 * @changed: an answer has changed since dns_run() returned
 * @ending: answers are of no interest
 */
struct dns {
	struct dns_options options;
	struct dns_channel channel;
	struct name *names;
	bool changed;
	bool ending;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

struct dns *dns_new(const struct dns_options *options)
{
	struct dns *dns = xmalloc(sizeof(*dns));

	*dns = (struct dns){ .options = *options };
	dns_channel_init(&dns->channel, options->servers);
	return dns;
}

static void name_free(struct name *name)
{
	int i;

	for (i = 0; i < name->n; i++) {
		json_decref(name->questions[i].fresh);
		json_decref(name->questions[i].answer);
	}
	free(name->text);
	free(name);
}

static bool is_asking(const struct name *name)
{
	int i;

	for (i = 0; i < name->n; i++)
		if (name->questions[i].asking)
			return true;
	return false;
}

/* Free those that nothing waits for. */
static void sweep(struct dns *dns)
{
	struct name **at = &dns->names, *name;

	while ((name = *at)) {
		if (!name->gone || is_asking(name)) {
			at = &name->next;
			continue;
		}
		*at = name->next;
		name_free(name);
	}
}

void dns_free(struct dns *dns)
{
	struct name *name;

	dns->ending = true;
	dns_channel_destroy(&dns->channel);
	for (name = dns->names; name; name = name->next)
		name->gone = true;
	sweep(dns);
	free(dns);
}

int dns_fd(const struct dns *dns)
{
	return dns->channel.epoll;
}

static uint64_t clamp(const struct dns *dns, uint64_t ms)
{
	if (ms < dns->options.min_ms)
		return dns->options.min_ms;
	return ms > dns->options.max_ms ? dns->options.max_ms : ms;
}

/* All have an answer, or none: what has been good so far goes on, or ends. */
static void use_answer(struct question *q, bool any_good)
{
	bool changes = false;

	if (q->outcome == GOOD) {
		changes = !q->answer || !json_equal(q->answer, q->fresh);
		json_decref(q->answer);
		q->answer = q->fresh;
	} else if (q->outcome == NONE && any_good && q->answer) {
		changes = true;
		json_decref(q->answer);
		q->answer = NULL;
	}
	q->fresh = NULL;
	if (changes)
		q->name->dns->changed = true;
}

/* When all questions of a name were answered, their answers are used at once. */
static void settle(struct name *name)
{
	bool any_good = false, all_known = true;
	uint64_t ttl_ms = UINT64_MAX;
	int i;

	for (i = 0; i < name->n; i++) {
		any_good |= name->questions[i].outcome == GOOD;
		all_known &= name->questions[i].outcome != FAILED;
		if (name->questions[i].outcome == GOOD &&
		    name->questions[i].ttl_ms < ttl_ms)
			ttl_ms = name->questions[i].ttl_ms;
	}
	for (i = 0; i < name->n; i++)
		use_answer(&name->questions[i], any_good);
	if (any_good)
		name->failure = NULL;
	if (any_good && all_known) {
		name->pause = 0;
		name->due = now_ms() + clamp(name->dns, ttl_ms);
		return;
	}
	name->pause = name->pause ? 2 * name->pause : RETRY_MS;
	if (name->pause > RETRY_MAX_MS)
		name->pause = RETRY_MAX_MS;
	name->due = now_ms() + name->pause;
}

static void end_question(struct question *q)
{
	q->asking = false;
	if (!is_asking(q->name))
		settle(q->name);
}

static void failed(struct question *q, int status)
{
	q->name->failure = ares_strerror(status);
	q->outcome = status == ARES_ENOTFOUND || status == ARES_ENODATA ?
		NONE : FAILED;
	end_question(q);
}

/* Takes over @answer. */
static void answered(struct question *q, json_t *answer, uint64_t ttl_ms)
{
	q->outcome = GOOD;
	q->fresh = answer;
	q->ttl_ms = ttl_ms;
	end_question(q);
}

/* Takes over @records, which may be none or NULL. */
static void use_records(struct question *q, int status, json_t *records,
			uint64_t ttl)
{
	if (!status && json_array_size(records)) {
		answered(q, records, ttl * 1000);
		return;
	}
	json_decref(records);
	failed(q, status ? status : ARES_ENODATA);
}

/* Return: whether nobody waits for the answer. */
static bool ended(struct question *q, int status)
{
	if (!q->name->dns->ending && !q->name->gone &&
	    status != ARES_EDESTRUCTION)
		return false;
	q->asking = false;
	json_decref(q->fresh);
	q->fresh = NULL;
	return true;
}

static void on_addresses(void *arg, int status, int timeouts,
			 struct ares_addrinfo *found)
{
	struct question *q = arg;
	json_t *addresses;
	uint64_t ttl;

	(void)timeouts;
	if (ended(q, status)) {
		ares_freeaddrinfo(found);
		return;
	}
	addresses = dns_addresses(found, q->family, &ttl);
	use_records(q, status, addresses, ttl);
	ares_freeaddrinfo(found);
}

static void on_service(void *arg, int status, int timeouts,
		       unsigned char *message, int len)
{
	struct question *q = arg;
	json_t *records = NULL;
	uint64_t ttl = 0;

	(void)timeouts;
	if (ended(q, status))
		return;
	if (!status)
		status = dns_services(message, len, &records, &ttl);
	use_records(q, status, records, ttl);
}

static void ask(struct question *q)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = q->family, .ai_flags = ARES_AI_NOSORT,
		.ai_socktype = SOCK_STREAM,
	};
	struct dns *dns = q->name->dns;

	if (q->family == AF_UNSPEC)
		ares_search(dns->channel.ares, q->name->text, ns_c_in, ns_t_srv,
			    on_service, q);
	else
		ares_getaddrinfo(dns->channel.ares, q->name->text, NULL,
				 &hints, on_addresses, q);
}

/* Some may be answered before the function returns that asks them. */
static void ask_name(struct name *name)
{
	int i;

	for (i = 0; i < name->n; i++)
		name->questions[i].asking = true;
	for (i = 0; i < name->n; i++)
		ask(&name->questions[i]);
}

static void ask_all(struct dns *dns)
{
	uint64_t now = now_ms();
	struct name *name;

	for (name = dns->names; name; name = name->next)
		if (!name->gone && name->due <= now && !is_asking(name))
			ask_name(name);
}

int dns_timeout(const struct dns *dns, int ms)
{
	uint64_t now = now_ms();
	const struct name *name;

	ms = dns_channel_timeout(&dns->channel, ms);
	for (name = dns->names; name; name = name->next) {
		if (name->gone || is_asking(name))
			continue;
		if (name->due <= now)
			return 0;
		if (name->due - now < (uint64_t)ms)
			ms = name->due - now;
	}
	return ms;
}

/* Other name servers: what is asked is answered first. */
static void reopen(struct dns *dns)
{
	struct name *name;

	dns->ending = true;
	dns_channel_reopen(&dns->channel);
	dns->ending = false;
	for (name = dns->names; name; name = name->next)
		name->due = 0;
}

bool dns_run(struct dns *dns)
{
	bool changed;

	if (dns_channel_is_stale(&dns->channel))
		reopen(dns);
	dns_channel_run(&dns->channel);
	sweep(dns);
	ask_all(dns);
	changed = dns->changed;
	dns->changed = false;
	return changed;
}

static void add_question(struct name *name, int family)
{
	name->questions[name->n++] = (struct question){ .name = name,
							.family = family };
}

static struct name *find(const struct dns *dns, const char *text)
{
	struct name *name;

	for (name = dns->names; name; name = name->next)
		if (!name->gone && !strcasecmp(name->text, text))
			return name;
	return NULL;
}

static struct name *use(struct dns *dns, const char *text)
{
	struct name *name = find(dns, text);

	if (!name) {
		name = xmalloc(sizeof(*name));
		*name = (struct name){ .dns = dns, .next = dns->names,
				       .text = xstrdup(text) };
		if (*text == '_') {
			add_question(name, AF_UNSPEC);
		} else {
			add_question(name, AF_INET);
			add_question(name, AF_INET6);
		}
		dns->names = name;
	}
	name->used = true;
	return name;
}

json_t *dns_answer(struct dns *dns, const char *host)
{
	const struct name *name = use(dns, host);
	json_t *list = json_array();
	int i;

	for (i = 0; i < name->n; i++)
		json_array_extend(list, name->questions[i].answer);
	return list;
}

const char *dns_failure(const struct dns *dns, const char *host)
{
	const struct name *name = find(dns, host);

	return name ? name->failure : NULL;
}

void dns_collect(struct dns *dns)
{
	struct name *name;

	for (name = dns->names; name; name = name->next) {
		name->gone = name->gone || !name->used;
		name->used = false;
	}
	sweep(dns);
}
