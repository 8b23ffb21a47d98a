// SPDX-License-Identifier: GPL-2.0
/*
 * libnl 3.7 knows of an error only its number, so that the extended ack is
 * read here: the kernel's message, and the offset of the bad attribute, which
 * becomes the word that the user typed.
 */
#include "ack.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "request.h"

/* Length of the part before the attributes, or -1 for a broken message. */
static int fixed_len(struct ack *ack, const struct nlmsghdr *hdr)
{
	const struct nlmsgerr *err = nlmsg_data(hdr);
	int len = nlmsg_datalen(hdr);

	if (hdr->nlmsg_type == NLMSG_DONE) {
		if (len < (int)sizeof(int))
			return -1;
		memcpy(&ack->error, nlmsg_data(hdr), sizeof(int));
		return NLMSG_ALIGN(sizeof(int));
	}
	if (len < (int)sizeof(*err))
		return -1;
	ack->error = err->error;
	if (hdr->nlmsg_flags & NLM_F_CAPPED)
		return sizeof(*err);
	return sizeof(err->error) + NLMSG_ALIGN(err->msg.nlmsg_len);
}

static uint32_t get_u32(const struct nlattr *attr)
{
	return attr && nla_len(attr) >= 4 ? nla_get_u32(attr) : 0;
}

void ack_parse(struct ack *ack, const struct nlmsghdr *hdr)
{
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1], *text;
	int fixed, len = nlmsg_datalen(hdr);

	memset(ack, 0, sizeof(*ack));
	fixed = fixed_len(ack, hdr);
	/* The kernel's numbers are negative. */
	ack->error = -ack->error;
	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS) || fixed < 0 || fixed > len)
		return;
	nla_parse(tb, NLMSGERR_ATTR_MAX,
		  (struct nlattr *)((char *)nlmsg_data(hdr) + fixed),
		  len - fixed, NULL);
	text = tb[NLMSGERR_ATTR_MSG];
	if (text)
		snprintf(ack->message, sizeof(ack->message), "%.*s",
			 nla_len(text), (const char *)nla_data(text));
	ack->offset = get_u32(tb[NLMSGERR_ATTR_OFFS]);
	ack->missing = get_u32(tb[NLMSGERR_ATTR_MISS_TYPE]);
}

/* The kernel's message, or the text of its error number. */
static void reason(const struct ack *ack, char *buf, size_t size)
{
	if (*ack->message)
		snprintf(buf, size, "%s", ack->message);
	else if (ack->missing)
		snprintf(buf, size, "the kernel misses attribute %u",
			 ack->missing);
	else if (ack->error == EPERM)
		snprintf(buf, size, "operation not permitted (CAP_NET_ADMIN in this network namespace is needed)");
	else if (ack->error == ENOENT)
		snprintf(buf, size, "does not exist");
	else if (ack->error == EEXIST)
		snprintf(buf, size, "already exists");
	else if (ack->error == EOPNOTSUPP)
		snprintf(buf, size, "the kernel's kproxy does not know this command");
	else
		snprintf(buf, size, "%s", strerror(ack->error));
	*buf = tolower((unsigned char)*buf);
}

static bool ends_word(char c)
{
	return !isalnum((unsigned char)c) && c != '-' && c != '_';
}

/* Whether @message has @word, and not only as a part of a longer one. */
static bool mentions(const char *message, const char *word)
{
	const char *p = message;
	size_t len = strlen(word);

	if (!len)
		return true;
	for (; (p = strstr(p, word)); p++)
		if ((p == message || ends_word(p[-1])) && ends_word(p[len]))
			return true;
	return false;
}

/*
 * Whether @message has @word without its value, as "address is in use" does and
 * "address [::1]:80 is in use" does not.
 */
static bool lacks_value(const char *message, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(message, word, len) && message[len] == ' ' &&
	       islower((unsigned char)message[len + 1]);
}

/* Cut a long word, such as a list of networks, so that the reason is seen. */
#define WORD_MAX 80

void ack_explain(const struct ack *ack, const struct request *req,
		 const char *known, char *buf, size_t size)
{
	const struct mark *mark = NULL;
	char why[ACK_MESSAGE_MAX];

	reason(ack, why, sizeof(why));
	if (ack->offset)
		mark = request_find_mark(req, ack->offset);
	if (!mark || mentions(why, mark->text) ||
	    (known && !strcmp(known, mark->text)))
		snprintf(buf, size, "%s", why);
	else if (lacks_value(why, mark->what))
		snprintf(buf, size, "%s %s%s", mark->what, mark->text,
			 why + strlen(mark->what));
	else if (!strcmp(mark->what, mark->text))
		snprintf(buf, size, "%s: %s", mark->text, why);
	else
		snprintf(buf, size, "%s %.*s%s: %s", mark->what, WORD_MAX,
			 mark->text,
			 strlen(mark->text) > WORD_MAX ? "..." : "", why);
}
