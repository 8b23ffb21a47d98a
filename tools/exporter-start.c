// SPDX-License-Identifier: GPL-2.0
/*
 * "kproxy exporter" is a program of its own, since its HTTP library needs ten others,
 * which every other command would load, too, and run their constructors.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "exporter.h"
#include "libdir.h"

#define PROGRAM "kproxy-exporter"

/* Where make leaves it: beside this program. */
static void find_beside(char *path, size_t size)
{
	ssize_t length;
	char *name;

	length = readlink("/proc/self/exe", path, size - sizeof(PROGRAM));
	path[length > 0 ? length : 0] = '\0';
	name = strrchr(path, '/');
	if (name)
		strcpy(name + 1, PROGRAM);
}

static int start(struct ctx *ctx, struct args *args)
{
	char beside[PATH_MAX + sizeof(PROGRAM)];
	char **argv;
	int n = 0;

	argv = xmalloc((args->argc + 5) * sizeof(*argv));
	argv[n++] = PROGRAM;
	if (ctx->netns) {
		argv[n++] = "-n";
		argv[n++] = (char *)ctx->netns;
	}
	argv[n++] = "exporter";
	memcpy(argv + n, args->argv, args->argc * sizeof(*argv));
	argv[n + args->argc] = NULL;

	find_beside(beside, sizeof(beside));
	execv(beside, argv);
	if (errno == ENOENT || errno == ENOTDIR)
		execv(LIBDIR "/" PROGRAM, argv);
	free(argv);
	return ctx_refuse(ctx, "%s/%s: %s%s", LIBDIR, PROGRAM, strerror(errno),
			  errno == ENOENT ? ", install the package " PROGRAM : "");
}

const struct object exporter_object = {
	.name = "exporter",
	.usage = EXPORTER_USAGE,
	.run = start,
};
