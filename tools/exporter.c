// SPDX-License-Identifier: GPL-2.0
/*
 * A server for monitoring: one thread, which asks the kernel when a client asks
 * for it. Nothing can be changed through it.
 */
#include "exporter.h"

#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "ctx.h"
#include "exporter-client.h"
#include "exporter-document.h"
#include "exporter-response.h"
#include "http-header.h"
#include "signals.h"

/* Silence of a client that ends its connection, in seconds. */
#define SILENCE 10U

/* Room for the headers of a request. */
#define HEADERS_SIZE ((size_t)16384)

#define NO_SESSIONS \
	"sessions are not shown here: start the exporter with \"sessions on\""
#define NO_HOST \
	"this name is not ours: use an address, or start the exporter with \"host NAME\""

struct exporter {
	const struct exporter_options *options;
	struct documents documents;
	struct clients clients;
};

static const struct {
	const char *path;
	enum document_name name;
} paths[] = {
	{ "/api/v1/listeners", DOCUMENT_LISTENERS },
	{ "/api/v1/upstreams", DOCUMENT_UPSTREAMS },
	{ "/api/v1/sessions", DOCUMENT_SESSIONS },
	{ "/api/v1/stats", DOCUMENT_STATS },
	{ "/api/v1/pools", DOCUMENT_POOLS },
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Send a response that is for this client alone. */
static enum MHD_Result answer(struct MHD_Connection *connection,
			      unsigned int status,
			      struct MHD_Response *response)
{
	enum MHD_Result result;

	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_document(struct exporter *exporter,
				     struct MHD_Connection *connection,
				     enum document_name name)
{
	const struct document *document;
	struct MHD_Response *response;

	document = documents_get(&exporter->documents, name);
	if (document)
		return MHD_queue_response(connection, document->status,
					  document->response);
	response = response_line(RESPONSE_TEXT,
				 "slow clients hold too much memory");
	response_header(response, "Retry-After", "5");
	return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, response);
}

static enum MHD_Result send_metrics(struct exporter *exporter,
				    struct MHD_Connection *connection)
{
	bool open = http_prefers_openmetrics(header(connection, "Accept"));

	return send_document(exporter, connection, open ?
			     DOCUMENT_OPENMETRICS : DOCUMENT_PROMETHEUS);
}

static enum MHD_Result send_path(struct exporter *exporter,
				 struct MHD_Connection *connection,
				 const char *path)
{
	size_t i;

	if (!strcmp(path, "/"))
		return answer(connection, MHD_HTTP_OK, response_page());
	if (!strcmp(path, "/metrics"))
		return send_metrics(exporter, connection);
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		if (strcmp(path, paths[i].path))
			continue;
		if (paths[i].name == DOCUMENT_SESSIONS &&
		    !exporter->options->sessions)
			return answer(connection, MHD_HTTP_FORBIDDEN,
				      response_line(RESPONSE_JSON,
						    NO_SESSIONS));
		return send_document(exporter, connection, paths[i].name);
	}
	return answer(connection, MHD_HTTP_NOT_FOUND,
		      response_line(RESPONSE_TEXT, "not found"));
}

static enum MHD_Result refuse_method(struct MHD_Connection *connection)
{
	struct MHD_Response *response;

	response = response_line(RESPONSE_TEXT, "read only: GET or HEAD");
	response_header(response, "Allow", "GET, HEAD");
	return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
}

/* A browser always names the host. */
static bool host_is_good(const struct exporter *exporter,
			 struct MHD_Connection *connection)
{
	const struct exporter_options *options = exporter->options;
	const char *host = header(connection, "Host");

	return options->any_host || !host ||
	       http_host_is_ours(host, options->hosts, options->n_hosts);
}

/*
 * Called when the headers have come. The answer is given at once, so that what
 * follows of a request is not read.
 */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct exporter *exporter = cls;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	if (!host_is_good(exporter, connection))
		return answer(connection, MHD_HTTP_MISDIRECTED_REQUEST,
			      response_line(RESPONSE_TEXT,
					    NO_HOST));
	if (strcmp(method, MHD_HTTP_METHOD_GET) &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse_method(connection);
	return send_path(exporter, connection, url);
}

static void on_connection(void *cls, struct MHD_Connection *connection,
			  void **client,
			  enum MHD_ConnectionNotificationCode code)
{
	struct exporter *exporter = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*client = clients_enter(&exporter->clients, connection);
	else if (*client)
		clients_leave(&exporter->clients, *client);
}

static struct MHD_Daemon *start(struct exporter *exporter, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request,
				exporter,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT,
				(unsigned int)CLIENTS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, SILENCE,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				HEADERS_SIZE,
				MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection,
				exporter, MHD_OPTION_END);
}

static int sooner(int ms, unsigned long long other)
{
	return ms < 0 || other < (unsigned long long)ms ? (int)other : ms;
}

/* Milliseconds to wait for the next client at most, or -1. */
static int next_timeout(struct exporter *exporter, struct MHD_Daemon *daemon)
{
	unsigned long long timeout;
	int ms = clients_expire(&exporter->clients);

	if (MHD_get_timeout(daemon, &timeout) == MHD_YES)
		ms = sooner(ms, timeout);
	return ms;
}

static void serve(struct exporter *exporter, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info;
	size_t before;
	int fd;

	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	fd = info->epoll_fd;
	while (signals_wait(fd, next_timeout(exporter, daemon))) {
		before = exporter->clients.count;
		MHD_run(daemon);
		/*
		 * With all connections in use the library does not wait for
		 * clients, and begins again only when it runs.
		 */
		if (exporter->clients.count < before)
			MHD_run(daemon);
	}
}

int exporter_run(struct ctx *ctx, int fd,
		 const struct exporter_options *options)
{
	struct exporter exporter = {
		.options = options,
		.documents = { .ctx = ctx },
	};
	struct MHD_Daemon *daemon;

	clients_init(&exporter.clients);
	signals_catch();
	daemon = start(&exporter, fd);
	if (!daemon) {
		close(fd);
		return ctx_fail(ctx, STATUS_KERNEL, "cannot start the server");
	}
	serve(&exporter, daemon);
	MHD_stop_daemon(daemon);
	documents_free(&exporter.documents);
	return STATUS_DONE;
}
