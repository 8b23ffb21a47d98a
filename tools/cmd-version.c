// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "ctx.h"
#include "print.h"
#include <kproxy_version.h>

/* Return: what /sys says of the loaded module, or null */
static json_t *module_version(void)
{
	FILE *in = fopen("/sys/module/kproxy/version", "r");
	char line[64] = "";

	if (!in)
		return json_null();
	if (!fgets(line, sizeof(line), in))
		*line = '\0';
	fclose(in);
	line[strcspn(line, "\n")] = '\0';
	return json_string(line);
}

static const struct column columns[] = {
	{ .title = "kproxy", .key = "cli" },
	{ .title = "module", .key = "module" },
	{}
};

static const struct table table = { .columns = columns, .vertical = true };

static int version_run(struct ctx *ctx, struct args *args)
{
	json_t *rows;
	int status;

	status = args_end(ctx, args);
	if (status)
		return status;
	rows = json_pack("[{s:s, s:o}]", "cli", KPROXY_VERSION, "module",
			 module_version());
	status = print_rows(ctx, rows, &table);
	json_decref(rows);
	return status;
}

const struct object version_object = {
	.name = "version",
	.usage = "  kproxy version\n",
	.run = version_run,
};
