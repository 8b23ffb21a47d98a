// SPDX-License-Identifier: GPL-2.0
/* Responses, and their headers. */
#include "exporter-response.h"

#include <inttypes.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "alloc.h"
#include "page.h"

/* What stands for the number in the page. */
#define NONCE "@NONCE@"

#define CLOSED "default-src 'none'; frame-ancestors 'none'"

/* Nothing but what is in the page, and what the page asks us for. */
#define POLICY \
	"default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

void response_header(struct MHD_Response *response, const char *name,
		     const char *value)
{
	if (MHD_add_response_header(response, name, value) != MHD_YES)
		alloc_failed();
}

static void set_common(struct MHD_Response *response, const char *type,
		       const char *policy)
{
	response_header(response, "Content-Type", type);
	response_header(response, "Content-Security-Policy", policy);
	response_header(response, "X-Content-Type-Options", "nosniff");
	response_header(response, "X-Frame-Options", "DENY");
	response_header(response, "Referrer-Policy", "no-referrer");
	response_header(response, "Cross-Origin-Resource-Policy",
			"same-origin");
	response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
	response_header(response, "Cache-Control", "no-store");
	response_header(response, "Vary", "Accept");
	/* A client that is idle is none. */
	response_header(response, "Connection", "close");
}

void response_set(struct MHD_Response *response, const char *type)
{
	set_common(response, type, CLOSED);
}

static struct MHD_Response *from_text(char *text)
{
	struct MHD_Response *response;

	response = MHD_create_response_from_buffer(strlen(text), text,
						   MHD_RESPMEM_MUST_FREE);
	if (!response)
		alloc_failed();
	return response;
}

static char *json_error(const char *text)
{
	json_t *error = json_pack("{s:s}", "error", text);
	char *json = json_dumps(error, JSON_ENSURE_ASCII | JSON_COMPACT);

	if (!json)
		alloc_failed();
	json_decref(error);
	return json;
}

char *response_text(const char *type, const char *text)
{
	bool is_json = !strcmp(type, RESPONSE_JSON);
	char *json = is_json ? json_error(text) : NULL, *line;

	if (asprintf(&line, "%s\n", json ? json : text) < 0)
		alloc_failed();
	free(json);
	return line;
}

struct MHD_Response *response_line(const char *type, const char *fmt, ...)
{
	struct MHD_Response *response;
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		alloc_failed();
	va_end(ap);
	response = from_text(response_text(type, text));
	free(text);
	response_set(response, type);
	return response;
}

static void make_nonce(char *text, size_t size)
{
	uint64_t bits[2];

	if (getrandom(bits, sizeof(bits), 0) != sizeof(bits))
		abort();
	snprintf(text, size, "%016" PRIx64 "%016" PRIx64, bits[0], bits[1]);
}

static char *make_page(const char *nonce)
{
	const char *from = page_html, *to;
	char *text = NULL;
	size_t size;
	FILE *out;

	out = xopen(&text, &size);
	while ((to = strstr(from, NONCE))) {
		fwrite(from, 1, to - from, out);
		fputs(nonce, out);
		from = to + strlen(NONCE);
	}
	fputs(from, out);
	xclose(out);
	return text;
}

struct MHD_Response *response_page(void)
{
	struct MHD_Response *response;
	char nonce[33], policy[sizeof(POLICY) + 2 * sizeof(nonce)];

	make_nonce(nonce, sizeof(nonce));
	snprintf(policy, sizeof(policy), POLICY, nonce, nonce);
	response = from_text(make_page(nonce));
	set_common(response, RESPONSE_HTML, policy);
	return response;
}
