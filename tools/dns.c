// SPDX-License-Identifier: GPL-2.0
/*
 * Each name has up to two questions, asked at the same time: A and AAAA of a host,
 * SRV of a service. Each question keeps its last good answer. That there is no
 * such record ends an answer only if the other question has a good one: a name
 * without any address keeps those that it had.
 */
#include "dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
/* Later versions of c-ares prefer functions that earlier ones lack. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "alloc.h"

#define TIMEOUT_MS 2000
#define TRIES 2

/* The first pause after a look-up that failed; each later one is twice as long. */
#define RETRY_MS 1000
#define RETRY_MAX_MS 60000

/* More addresses or servers of one name are ignored. */
#define RECORDS_MAX 1024

#define WEIGHT_MAX 256

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
 * @channel: of c-ares
 * @epoll: its sockets
 * @names: a list
 * @changed: an answer has changed since dns_run() returned
 * @ending: answers are of no interest
 * @conf: when resolv.conf was changed
 */
struct dns {
	struct dns_options options;
	ares_channel channel;
	int epoll;
	struct name *names;
	bool changed;
	bool ending;
	struct timespec conf;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct epoll_event event = {
		.events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0),
		.data.fd = fd,
	};
	struct dns *dns = arg;

	if (!event.events)
		epoll_ctl(dns->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(dns->epoll, EPOLL_CTL_MOD, fd, &event) &&
		 errno == ENOENT)
		epoll_ctl(dns->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "kproxy: %s: %s\n", what, ares_strerror(err));
	exit(EXIT_FAILURE);
}

static struct timespec conf_time(void)
{
	struct stat st = {};

	stat("/etc/resolv.conf", &st);
	return st.st_mtim;
}

static void open_channel(struct dns *dns)
{
	struct ares_options options = {
		.timeout = TIMEOUT_MS, .tries = TRIES,
		.sock_state_cb = on_socket, .sock_state_cb_data = dns,
	};
	int err;

	dns->conf = conf_time();
	err = ares_init_options(&dns->channel, &options,
				ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				ARES_OPT_SOCK_STATE_CB);
	if (err)
		fail("c-ares", err);
	err = dns->options.servers ?
		ares_set_servers_ports_csv(dns->channel,
					   dns->options.servers) : 0;
	if (err)
		fail(dns->options.servers, err);
}

struct dns *dns_new(const struct dns_options *options)
{
	struct dns *dns = xmalloc(sizeof(*dns));
	int err = ares_library_init(ARES_LIB_INIT_ALL);

	*dns = (struct dns){ .options = *options,
			     .epoll = epoll_create1(EPOLL_CLOEXEC) };
	if (err)
		fail("c-ares", err);
	if (dns->epoll < 0)
		alloc_failed();
	open_channel(dns);
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

	/* Answers everything that is asked. */
	dns->ending = true;
	ares_destroy(dns->channel);
	for (name = dns->names; name; name = name->next)
		name->gone = true;
	sweep(dns);
	ares_library_cleanup();
	close(dns->epoll);
	free(dns);
}

int dns_fd(const struct dns *dns)
{
	return dns->epoll;
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
	const struct ares_addrinfo_node *node;
	char text[INET6_ADDRSTRLEN];
	struct question *q = arg;
	uint64_t ttl = INT32_MAX;
	json_t *set;

	(void)timeouts;
	if (ended(q, status)) {
		ares_freeaddrinfo(found);
		return;
	}
	set = json_object();
	for (node = found ? found->nodes : NULL; node; node = node->ai_next) {
		if (node->ai_family != q->family ||
		    json_object_size(set) == RECORDS_MAX ||
		    !format_address(node->ai_addr, text))
			continue;
		json_object_set_new(set, text, json_true());
		if (node->ai_ttl >= 0 && (uint64_t)node->ai_ttl < ttl)
			ttl = node->ai_ttl;
	}
	if (status || !json_object_size(set))
		failed(q, status ? status : ARES_ENODATA);
	else
		answered(q, sorted(set), ttl * 1000);
	json_decref(set);
	ares_freeaddrinfo(found);
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

static void on_service(void *arg, int status, int timeouts,
		       unsigned char *message, int len)
{
	struct ares_srv_reply *reply = NULL;
	struct question *q = arg;
	json_t *records;

	(void)timeouts;
	if (ended(q, status))
		return;
	if (!status)
		status = ares_parse_srv_reply(message, len, &reply);
	records = sorted_records(status ? NULL : reply);
	if (reply)
		ares_free_data(reply);
	if (!json_array_size(records)) {
		json_decref(records);
		failed(q, status ? status : ARES_ENODATA);
		return;
	}
	answered(q, records, srv_ttl(message, len) * 1000);
}

static void ask(struct question *q)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = q->family, .ai_flags = ARES_AI_NOSORT,
		.ai_socktype = SOCK_STREAM,
	};
	struct dns *dns = q->name->dns;

	if (q->family == AF_UNSPEC)
		ares_search(dns->channel, q->name->text, ns_c_in, ns_t_srv,
			    on_service, q);
	else
		ares_getaddrinfo(dns->channel, q->name->text, NULL, &hints,
				 on_addresses, q);
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
	struct timeval most = { ms / 1000, ms % 1000 * 1000L }, left, *next;
	uint64_t now = now_ms();
	const struct name *name;

	next = ares_timeout(dns->channel, &most, &left);
	if (next && next->tv_sec * 1000 + next->tv_usec / 1000 < ms)
		ms = next->tv_sec * 1000 + next->tv_usec / 1000 + 1;
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
	ares_destroy(dns->channel);
	dns->ending = false;
	open_channel(dns);
	for (name = dns->names; name; name = name->next)
		name->due = 0;
}

static void process(struct dns *dns)
{
	struct epoll_event events[16];
	int n = epoll_wait(dns->epoll, events, 16, 0), i;

	for (i = 0; i < n; i++)
		ares_process_fd(dns->channel,
				events[i].events & ~EPOLLOUT ?
				events[i].data.fd : ARES_SOCKET_BAD,
				events[i].events & EPOLLOUT ?
				events[i].data.fd : ARES_SOCKET_BAD);
	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

bool dns_run(struct dns *dns)
{
	struct timespec conf = conf_time();
	bool changed;

	if (conf.tv_sec != dns->conf.tv_sec ||
	    conf.tv_nsec != dns->conf.tv_nsec)
		reopen(dns);
	process(dns);
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
	const struct name *name = use(dns, host);
	json_t *value;
	size_t k;
	int i;

	for (i = 0; i < name->n; i++)
		json_array_foreach(name->questions[i].answer, k, value)
			add_address(list, json_string_value(value), port,
				    weight, rank);
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
	struct name *name = use(dns, host);

	if (*host != '_') {
		add_host(dns, list, host, port, 0, 0);
	} else {
		/* It names hosts, which may become names here. */
		records = json_incref(name->questions[0].answer);
		add_service(dns, list, records);
		json_decref(records);
	}
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
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
