// SPDX-License-Identifier: GPL-2.0
/*
 * Other programs take the first rule that matches a client, kproxy the longest
 * prefix. So a rule that lies within an earlier one, which would decide before
 * it, is left out; of the rest the longest prefix is the one that comes first.
 */
#include "import-rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "import.h"
#include "token.h"

#define MAPPED_BITS 96

/* Each is compared with all before it. */
#define RULES_MAX (4 * KPROXY_PREFIXES_MAX)

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int n)
{
	uint8_t mask = 0xff00 >> (n % 8);

	return !memcmp(a, b, n / 8) &&
	       (!mask || !((a[n / 8] ^ b[n / 8]) & mask));
}

static bool covers(const struct rule *outer, const struct rule *inner)
{
	return outer->v4 == inner->v4 && outer->bits <= inner->bits &&
	       same_bits(outer->addr, inner->addr, outer->bits);
}

static bool parse_mask(const char *text, uint8_t *len)
{
	struct in_addr mask;
	uint32_t bits;

	if (inet_pton(AF_INET, text, &mask) != 1)
		return false;
	bits = ntohl(mask.s_addr);
	*len = __builtin_popcount(bits);
	return bits == (*len ? UINT32_MAX << (32 - *len) : 0);
}

static bool parse_len(const char *text, bool v4, uint8_t *len)
{
	uint64_t value;

	if (v4 && strchr(text, '.'))
		return parse_mask(text, len);
	if (token_number(text, &value) || value > (v4 ? 32 : 128))
		return false;
	*len = value;
	return true;
}

static void cut(struct rule *rule)
{
	unsigned int bit;

	for (bit = rule->bits; bit < 128; bit++)
		rule->addr[bit / 8] &= ~(0x80 >> (bit % 8));
}

static bool parse(struct rule *rule, const char *network)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(network, '/');
	size_t len = slash ? (size_t)(slash - network) : strlen(network);
	uint8_t bits;

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, network, len);
	addr[len] = '\0';
	rule->v4 = inet_pton(AF_INET, addr, rule->addr + 12) == 1;
	if (rule->v4)
		memset(rule->addr + 10, 0xff, 2);
	else if (inet_pton(AF_INET6, addr, rule->addr) != 1)
		return false;
	bits = rule->v4 ? 32 : 128;
	if (slash && !parse_len(slash + 1, rule->v4, &bits))
		return false;
	rule->bits = bits + (rule->v4 ? MAPPED_BITS : 0);
	cut(rule);
	return true;
}

static char *format(const struct rule *rule)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(rule->v4 ? AF_INET : AF_INET6,
		  rule->addr + (rule->v4 ? 12 : 0), addr, sizeof(addr));
	return import_text("%s/%u", addr,
			   rule->bits - (rule->v4 ? MAPPED_BITS : 0));
}

static bool add(struct rules *rules, unsigned int line, bool allow,
		const char *network)
{
	struct rule rule = { .allow = allow, .line = line };
	size_t i;

	if (rules->n == RULES_MAX || !parse(&rule, network))
		return false;
	for (i = 0; i < rules->n; i++)
		if (covers(&rules->list[i], &rule))
			return true;
	rule.text = format(&rule);
	rules->list = xgrow(rules->list, rules->n + 1, sizeof(rule));
	rules->list[rules->n++] = rule;
	return true;
}

bool rules_add(struct rules *rules, unsigned int line, bool allow,
	       const char *network)
{
	if (network)
		return add(rules, line, allow, network);
	return add(rules, line, allow, "0.0.0.0/0") &&
	       add(rules, line, allow, "::/0");
}

static bool is_all(const struct rule *rule)
{
	return rule->bits == (rule->v4 ? MAPPED_BITS : 0);
}

/* How many there are of either kind; those for all clients only if @all. */
static size_t count(const struct rules *rules, bool allow, bool all)
{
	size_t i, n = 0;

	for (i = 0; i < rules->n; i++)
		n += rules->list[i].allow == allow &&
		     (all || !is_all(&rules->list[i]));
	return n;
}

static void set_list(struct import *im, const struct rules *rules, bool allow,
		     bool all, json_t *listener)
{
	json_t *list = json_array();
	const struct rule *rule;
	size_t i;

	for (i = 0; i < rules->n; i++) {
		rule = &rules->list[i];
		if (rule->allow != allow || (is_all(rule) && !all))
			continue;
		if (json_array_size(list) == KPROXY_PREFIXES_MAX)
			import_note(im, rule->line, "%s %s: at most %d networks",
				    allow ? "allow" : "deny", rule->text,
				    KPROXY_PREFIXES_MAX);
		else
			json_array_append_new(list, json_string(rule->text));
	}
	if (json_array_size(list))
		json_object_set(listener, allow ? "allow" : "deny", list);
	json_decref(list);
}

void rules_set(struct import *im, struct rules *rules, json_t *listener)
{
	bool exceptions;

	/* Clients that no rule matches are admitted. */
	rules_add(rules, 0, true, NULL);
	if (!count(rules, false, true))
		return;
	/* Without networks to allow, all clients are, but for those denied. */
	exceptions = count(rules, true, false);
	if (exceptions || count(rules, true, true) == 1)
		set_list(im, rules, true, true, listener);
	/* With them, others are not. */
	set_list(im, rules, false, !count(rules, true, true), listener);
}

void rules_copy(struct rules *to, const struct rules *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		rules_add(to, from->list[i].line, from->list[i].allow,
			  from->list[i].text);
}

void rules_free(struct rules *rules)
{
	size_t i;

	for (i = 0; i < rules->n; i++)
		free(rules->list[i].text);
	free(rules->list);
}
