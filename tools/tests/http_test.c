// SPDX-License-Identifier: GPL-2.0
/* Headers of requests, good and forged. */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "http-header.h"
#include "tap.h"

/* What Prometheus sends, of several versions. */
#define PROMETHEUS_2 \
	"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
#define PROMETHEUS_3 \
	"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
#define PROMETHEUS_TEXT \
	"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.2,*/*;q=0.1"

static const struct {
	const char *accept;
	bool open;
} accepts[] = {
	{ PROMETHEUS_2, true },
	{ PROMETHEUS_3, true },
	{ PROMETHEUS_TEXT, false },
	{ NULL, false },
	{ "", false },
	{ "*/*", false },
	{ "text/*", false },
	{ "text/html,application/xhtml+xml,*/*;q=0.8", false },
	{ "application/json", false },
	{ "application/openmetrics-text", true },
	{ "Application/OpenMetrics-Text ; Version=1.0.0", true },
	{ "application/openmetrics-text; version=\"1.0.0\"", true },
	{ "application/openmetrics-text;version=0.0.1", false },
	{ "application/openmetrics-text;version=2.0.0", false },
	{ "application/openmetrics-text;q=0", false },
	{ "application/openmetrics-text;q=0.000, */*", false },
	{ "application/openmetrics-text;q=0.001", true },
	{ "application/openmetrics-text;q=nonsense", false },
	{ "application/openmetrics-text;q=2", false },
	{ "application/openmetrics-text;q=1.9", true },
	{ "application/openmetrics-text;q=", false },
	{ "application/openmetrics-text;q", true },
	{ "*/*;q=0.9, application/openmetrics-text;q=0.95", true },
	{ "application/openmetrics-text;a=\"x,text/plain;q=1;\";q=0.1, text/plain;q=0.2",
	  false },
	{ "application/openmetrics-text;a=\"", true },
	{ ",,;;==,\"", false },
	{ "application/openmetrics-texts", false },
};

static const struct {
	const char *host;
	bool ours;
} hosts[] = {
	{ "127.0.0.1", true },
	{ "127.0.0.1:9816", true },
	{ "192.0.2.7:80", true },
	{ "[::1]", true },
	{ "[::1]:9816", true },
	{ "[fe80::1]:", true },
	{ "localhost", true },
	{ "LOCALHOST:9816", true },
	{ "a.localhost", true },
	{ "localhost.", true },
	{ "proxy1.example", true },
	{ "Proxy1.Example.:9816", true },
	{ "", false },
	{ ":9816", false },
	{ ".", false },
	{ "[]", false },
	{ "[::1", false },
	{ "[::1]x", false },
	{ "[127.0.0.1]", false },
	{ "::1", false },
	{ "evil.example", false },
	{ "127.0.0.1.evil.example", false },
	{ "evillocalhost", false },
	{ "localhost.evil.example", false },
	{ "localhost:9816@evil.example", false },
	{ "xproxy1.example", false },
	{ "127.1", false },
	{ "0x7f000001", false },
	{ "127.0.0.1:80x", false },
};

int main(void)
{
	static const char *const names[] = { "", "proxy1.example" };
	char name[4096], *copy;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(accepts); i++) {
		/* Of its own size, so that reading beyond it is seen. */
		copy = accepts[i].accept ? strdup(accepts[i].accept) : NULL;
		snprintf(name, sizeof(name), "Accept: %s", copy ? copy : "(none)");
		tap_ok(http_prefers_openmetrics(copy) == accepts[i].open, name);
		free(copy);
	}
	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		copy = strdup(hosts[i].host);
		snprintf(name, sizeof(name), "Host: %s", copy);
		tap_ok(http_host_is_ours(copy, names, ARRAY_SIZE(names)) ==
		       hosts[i].ours, name);
		free(copy);
	}
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	tap_ok(!http_host_is_ours(name, names, ARRAY_SIZE(names)),
	       "a host that is too long");
	return tap_done();
}
