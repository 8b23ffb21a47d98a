// SPDX-License-Identifier: GPL-2.0
/*
 * The native protocol of systemd's journal: a datagram is an entry, which is a
 * line FIELD=VALUE for each field. A value with a newline has its length in
 * front instead.
 */
#include "journal.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "alloc.h"
#include "print.h"
#include "signals.h"

/* For the tests, KPROXY_JOURNAL names another socket. */
#define SOCKET "/run/systemd/journal/socket"

/* Tries to reach a journal that is not there, and the time between them. */
#define TRIES 50
#define PAUSE_MS 100

static void write_field(FILE *out, const char *name, const char *value)
{
	uint64_t len = htole64(strlen(value));

	if (!strchr(value, '\n')) {
		fprintf(out, "%s=%s\n", name, value);
		return;
	}
	fprintf(out, "%s\n", name);
	fwrite(&len, sizeof(len), 1, out);
	fprintf(out, "%s\n", value);
}

/* The journal takes capitals, digits and underscores. */
static char *name_of(const char *key)
{
	char *name, *c;

	if (asprintf(&name, "KPROXY_%s", key) < 0)
		alloc_failed();
	for (c = name; *c; c++)
		*c = isalnum((unsigned char)*c) ? toupper((unsigned char)*c) :
						  '_';
	return name;
}

static void write_value(FILE *out, const char *key, const json_t *value)
{
	char *name = name_of(key), *text = NULL;
	size_t size;
	FILE *to;

	to = xopen(&text, &size);
	print_value(to, value);
	xclose(to);
	if (*text)
		write_field(out, name, text);
	free(text);
	free(name);
}

static char *make_entry(int priority, const char *message, const json_t *row,
			size_t *size)
{
	char *entry = NULL;
	const char *key;
	json_t *value;
	FILE *out;

	out = xopen(&entry, size);
	write_field(out, "MESSAGE", message);
	fprintf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=kproxy\n", priority);
	json_object_foreach((json_t *)row, key, value)
		write_value(out, key, value);
	xclose(out);
	return entry;
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("KPROXY_JOURNAL");

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path ? path : SOCKET);
	return to;
}

static int send_once(int fd, const char *entry, size_t size)
{
	struct sockaddr_un to = address();
	ssize_t sent;

	do {
		sent = sendto(fd, entry, size, MSG_NOSIGNAL,
			      (const struct sockaddr *)&to, sizeof(to));
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? errno : 0;
}

/* It is being started again, or has no room. */
static bool is_busy(int err)
{
	return err == ENOENT || err == ECONNREFUSED || err == EAGAIN ||
	       err == ENOBUFS;
}

static int send_entry(const char *entry, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tries = TRIES, err;

	if (fd < 0)
		return errno;
	do {
		err = send_once(fd, entry, size);
	} while (is_busy(err) && --tries && signals_wait(-1, PAUSE_MS));
	close(fd);
	return err;
}

int journal_send(int priority, const char *message, const json_t *row)
{
	size_t size;
	char *entry = make_entry(priority, message, row, &size);
	int err = send_entry(entry, size);

	free(entry);
	return err;
}
