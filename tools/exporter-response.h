/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_EXPORTER_RESPONSE_H
#define KPROXY_EXPORTER_RESPONSE_H

struct MHD_Response;

/* Types of content. */
#define RESPONSE_OPENMETRICS \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"
#define RESPONSE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define RESPONSE_TEXT "text/plain; charset=utf-8"
#define RESPONSE_JSON "application/json"
#define RESPONSE_HTML "text/html; charset=utf-8"

void response_header(struct MHD_Response *response, const char *name,
		     const char *value);

/* Set the headers that all responses but the page have. */
void response_set(struct MHD_Response *response, const char *type);

/* A line of text, or with RESPONSE_JSON an error, for free(). */
char *response_text(const char *type, const char *text);

/* A response that is a line of text, or with RESPONSE_JSON an error. */
struct MHD_Response *response_line(const char *type, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The page for people, whose scripts and styles are allowed by a number. */
struct MHD_Response *response_page(void);

#endif
