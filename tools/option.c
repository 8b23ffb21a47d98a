// SPDX-License-Identifier: GPL-2.0
/*
 * An option is a row of a table. Parsing, sending, showing, help and files use
 * the same row, so that no option can be parsed and then forgotten.
 */
#include "option.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <netlink/attr.h>

#include <linux/kproxy.h>

#include "alloc.h"
#include "args.h"
#include "compiler.h"
#include "ctx.h"
#include "field.h"
#include "option-check.h"
#include "print.h"
#include "request.h"
#include "text.h"
#include "token.h"

static int refuse(const struct ctx *ctx, const struct option_spec *option,
		  const char *text, const char *why)
{
	return ctx_refuse(ctx, "%s %s: %s", option->name,
			  *text ? text : "\"\"", why);
}

static int refuse_range(const struct ctx *ctx, const struct option_spec *option,
			const char *text)
{
	char min[OPTION_TEXT_MAX], max[OPTION_TEXT_MAX];
	char why[2 * OPTION_TEXT_MAX + 16];

	option->type->format(option, option->min, min);
	option->type->format(option, option->max, max);
	snprintf(why, sizeof(why), "must be %s to %s", min, max);
	return refuse(ctx, option, text, why);
}

static int put_number(const struct ctx *ctx, const struct option_spec *option,
		      const char *text, struct request *req)
{
	const char *why;
	uint64_t value;

	why = option->type->parse(option, text, &value);
	if (why)
		return refuse(ctx, option, text, why);
	if (value < option->min || value > option->max)
		return refuse_range(ctx, option, text);
	if (option->type->wide)
		request_u64(req, option->attr, option->name, text, value);
	else
		request_u32(req, option->attr, option->name, text, value);
	return STATUS_DONE;
}

static json_t *get_number(const struct option_spec *option, struct nlattr *attr)
{
	uint64_t value = field_get_uint(attr);
	char buf[OPTION_TEXT_MAX];

	if (!option->always && value == option->def)
		return NULL;
	if (option->type->integer)
		return json_integer(value);
	option->type->format(option, value, buf);
	return json_string(buf);
}

static const char *parse_count(const struct option_spec *option,
			       const char *text, uint64_t *value)
{
	(void)option;
	return token_number(text, value);
}

static void format_count(const struct option_spec *option, uint64_t value,
			 char *buf)
{
	(void)option;
	snprintf(buf, OPTION_TEXT_MAX, "%" PRIu64, value);
}

const struct option_type option_number = {
	.put = put_number,
	.get = get_number,
	.parse = parse_count,
	.format = format_count,
	.integer = true,
};

/* "100/s", and "100" for the same. */
static const char *parse_pace(const struct option_spec *option,
			      const char *text, uint64_t *value)
{
	char digits[OPTION_TEXT_MAX];
	size_t len = strlen(text);

	(void)option;
	if (len > 2 && !strcmp(text + len - 2, "/s"))
		len -= 2;
	if (len >= sizeof(digits))
		return "not a number";
	memcpy(digits, text, len);
	digits[len] = '\0';
	return token_number(digits, value);
}

static void format_pace(const struct option_spec *option, uint64_t value,
			char *buf)
{
	(void)option;
	snprintf(buf, OPTION_TEXT_MAX, "%" PRIu64 "/s", value);
}

const struct option_type option_pace = {
	.put = put_number,
	.get = get_number,
	.parse = parse_pace,
	.format = format_pace,
};

static const char *parse_time(const struct option_spec *option,
			      const char *text, uint64_t *value)
{
	(void)option;
	return token_time(text, value);
}

static void format_time(const struct option_spec *option, uint64_t value,
			char *buf)
{
	(void)option;
	token_format_time(value, buf, OPTION_TEXT_MAX);
}

const struct option_type option_time = {
	.put = put_number,
	.get = get_number,
	.parse = parse_time,
	.format = format_time,
};

static const char *parse_size(const struct option_spec *option,
			      const char *text, uint64_t *value)
{
	(void)option;
	return token_size(text, value);
}

static void format_size(const struct option_spec *option, uint64_t value,
			char *buf)
{
	(void)option;
	token_format_size(value, buf, OPTION_TEXT_MAX);
}

const struct option_type option_size = {
	.put = put_number,
	.get = get_number,
	.parse = parse_size,
	.format = format_size,
};

static const char *parse_rate(const struct option_spec *option,
			      const char *text, uint64_t *value)
{
	(void)option;
	return token_rate(text, value);
}

static void format_rate(const struct option_spec *option, uint64_t value,
			char *buf)
{
	(void)option;
	token_format_rate(value, buf, OPTION_TEXT_MAX);
}

const struct option_type option_rate = {
	.put = put_number,
	.get = get_number,
	.parse = parse_rate,
	.format = format_rate,
	.wide = true,
};

static void list_words(const struct option_spec *option, const char *separator,
		       char *buf)
{
	const char *const *word;
	size_t len = 0;

	*buf = '\0';
	for (word = option->words; *word && len < OPTION_TEXT_MAX; word++)
		len += snprintf(buf + len, OPTION_TEXT_MAX - len, "%s%s",
				len ? separator : "", *word);
}

static int put_word(const struct ctx *ctx, const struct option_spec *option,
		    const char *text, struct request *req)
{
	char words[OPTION_TEXT_MAX], why[OPTION_TEXT_MAX + 16];
	uint32_t i;

	for (i = 0; option->words[i]; i++) {
		if (strcmp(option->words[i], text))
			continue;
		request_u32(req, option->attr, option->name, text, i);
		return STATUS_DONE;
	}
	list_words(option, " or ", words);
	snprintf(why, sizeof(why), "must be %s", words);
	return refuse(ctx, option, text, why);
}

static void format_word(const struct option_spec *option, uint64_t value,
			char *buf)
{
	uint64_t i;

	for (i = 0; option->words[i]; i++) {
		if (i != value)
			continue;
		snprintf(buf, OPTION_TEXT_MAX, "%s", option->words[i]);
		return;
	}
	/* A newer kernel may have values that @words lacks. */
	format_count(option, value, buf);
}

const char *const option_switch[] = {
	[KPROXY_SWITCH_OFF] = "off",
	[KPROXY_SWITCH_ON] = "on",
	NULL
};

const struct option_type option_word = {
	.put = put_word,
	.get = get_number,
	.format = format_word,
};

static int put_name(const struct ctx *ctx, const struct option_spec *option,
		    const char *text, struct request *req)
{
	const char *why = token_name(text);

	if (why)
		return refuse(ctx, option, text, why);
	request_string(req, option->attr, option->name, text);
	return STATUS_DONE;
}

static json_t *get_name(const struct option_spec *option, struct nlattr *attr)
{
	(void)option;
	return text_json(nla_data(attr),
			 strnlen(nla_data(attr), nla_len(attr)));
}

const struct option_type option_name = {
	.put = put_name,
	.get = get_name,
};

static int put_label(const struct ctx *ctx, const struct option_spec *option,
		     const char *text, struct request *req)
{
	if (*text)
		return put_name(ctx, option, text, req);
	request_string(req, option->attr, option->name, text);
	return STATUS_DONE;
}

static json_t *get_label(const struct option_spec *option, struct nlattr *attr)
{
	json_t *name = get_name(option, attr);

	if (json_string_length(name))
		return name;
	json_decref(name);
	return NULL;
}

static void format_label(const struct option_spec *option, uint64_t value,
			 char *buf)
{
	(void)option;
	(void)value;
	*buf = '\0';
}

const struct option_type option_label = {
	.put = put_label,
	.get = get_label,
	.format = format_label,
};

/* A name that the kernel knows, or "default" for the kernel's choice. */
static int put_choice(const struct ctx *ctx, const struct option_spec *option,
		      const char *text, struct request *req)
{
	size_t len = strlen(text);
	char why[OPTION_TEXT_MAX];

	if (!len || len > option->max) {
		snprintf(why, sizeof(why), "a name is 1 to %" PRIu64 " bytes",
			 option->max);
		return refuse(ctx, option, text, why);
	}
	request_text(req, option->attr, option->name, text,
		     strcmp(text, "default") ? text : "");
	return STATUS_DONE;
}

static json_t *get_choice(const struct option_spec *option, struct nlattr *attr)
{
	json_t *name = get_name(option, attr);

	if (json_string_length(name))
		return name;
	json_decref(name);
	return NULL;
}

static void format_choice(const struct option_spec *option, uint64_t value,
			  char *buf)
{
	(void)option;
	(void)value;
	snprintf(buf, OPTION_TEXT_MAX, "default");
}

const struct option_type option_choice = {
	.put = put_choice,
	.get = get_choice,
	.format = format_choice,
};

static const struct option_spec *find(const struct option_spec *table,
				      const char *name)
{
	const struct option_spec *option;

	for (option = table; option->name; option++)
		if (!strcmp(option->name, name))
			return option;
	return NULL;
}

/* "default" stands for the value of an option that was never set. */
static int put_value(const struct ctx *ctx, const struct option_spec *option,
		     const char *text, struct request *req)
{
	char def[OPTION_TEXT_MAX];

	if (option->type->format && !strcmp(text, "default")) {
		option->type->format(option, option->def, def);
		text = def;
	}
	return option->type->put(ctx, option, text, req);
}

/* The value of an option as one text, of one word or two; the caller frees it. */
static char *next_value(struct args *args, const struct option_spec *table,
			const struct option_spec *option)
{
	const char *first = args_next(args);
	char *text;

	if (!first)
		return NULL;
	if (!option->type->goes_on || !option->type->goes_on(first) ||
	    !args->argc || find(table, args->argv[0]))
		return xstrdup(first);
	if (asprintf(&text, "%s %s", first, args_next(args)) < 0)
		alloc_failed();
	return text;
}

/* @seen gets a bit for each row of the table that was given. */
static int parse_one(const struct ctx *ctx, struct args *args,
		     const struct option_spec *table, struct request *req,
		     uint64_t *seen)
{
	const char *name = args_next(args);
	const struct option_spec *option = find(table, name);
	uint64_t bit;
	char *text;
	int status;

	if (!option)
		return ctx_refuse(ctx, "unknown option \"%s\"", name);
	bit = 1ULL << (option - table);
	if (*seen & bit)
		return ctx_refuse(ctx, "option \"%s\" is given twice", name);
	*seen |= bit;
	text = next_value(args, table, option);
	if (!text)
		return ctx_refuse(ctx, "option \"%s\" needs a value", name);
	status = put_value(ctx, option, text, req);
	free(text);
	return status;
}

static int parse_all(const struct ctx *ctx, struct args *args,
		     const struct option_spec *table, struct request *req,
		     uint64_t *seen)
{
	int status = STATUS_DONE;

	*seen = 0;
	while (!status && args->argc)
		status = parse_one(ctx, args, table, req, seen);
	return status;
}

int options_parse_new(const struct ctx *ctx, struct args *args,
		      const struct option_spec *table, struct request *req)
{
	const struct option_spec *option;
	uint64_t seen;
	int status;

	status = parse_all(ctx, args, table, req, &seen);
	if (status)
		return status;
	args_at_whole(args);
	for (option = table; option->name; option++)
		if (option->required && !(seen & 1ULL << (option - table)))
			return ctx_refuse(ctx, "option \"%s\" is missing",
					  option->name);
	return STATUS_DONE;
}

int options_parse_change(const struct ctx *ctx, struct args *args,
			 const struct option_spec *table, struct request *req)
{
	uint64_t seen;

	if (!args->argc)
		return ctx_refuse(ctx, "no option is given");
	return parse_all(ctx, args, table, req, &seen);
}

static const struct {
	const char *text;
	const char *word;
} booleans[] = {
	{ "true", "on" }, { "yes", "on" }, { "on", "on" },
	{ "false", "off" }, { "no", "off" }, { "off", "off" },
};

static bool has_word(const struct option_spec *option, const char *word)
{
	size_t i;

	if (option->type == &option_keepalive)
		return !strcmp(word, "off");
	if (option->type != &option_word && option->type != &option_check)
		return false;
	for (i = 0; option->words[i]; i++)
		if (!strcmp(option->words[i], word))
			return true;
	return false;
}

const char *option_boolean(const struct option_spec *table, const char *name,
			   const char *text)
{
	const struct option_spec *option = table ? find(table, name) : NULL;
	size_t i;

	if (!option)
		return text;
	for (i = 0; i < ARRAY_SIZE(booleans); i++)
		if (!strcasecmp(booleans[i].text, text) &&
		    has_word(option, booleans[i].word))
			return booleans[i].word;
	return text;
}

json_t *option_default(const struct option_spec *option)
{
	char buf[OPTION_TEXT_MAX];

	if (!option->type->format)
		return NULL;
	if (option->type->integer)
		return json_integer(option->def);
	option->type->format(option, option->def, buf);
	return json_string(buf);
}

void options_show(const struct option_spec *table, struct nlattr **tb,
		  json_t *row)
{
	const struct option_spec *option;
	json_t *value;

	for (option = table; option->name; option++) {
		if (!tb[option->attr])
			continue;
		value = option->type->get(option, tb[option->attr]);
		if (value)
			json_object_set_new(row, option_key(option), value);
	}
}

static void help_one(const struct option_spec *option, FILE *out)
{
	char value[OPTION_TEXT_MAX], def[OPTION_TEXT_MAX];
	int width;

	if (option->value)
		snprintf(value, sizeof(value), "%s", option->value);
	else
		list_words(option, "|", value);
	width = 24 - (int)strlen(option->name) - 1;
	fprintf(out, "  %s %-*s  %s", option->name, width, value, option->help);
	if (option->type->format) {
		option->type->format(option, option->def, def);
		fprintf(out, " (default %s)", *def ? def : "none");
	}
	fputc('\n', out);
}

void options_help(const struct option_spec *table, FILE *out)
{
	const struct option_spec *option;

	fputs("\nThe value \"default\" puts an option back.\n\nOptions:\n", out);
	for (option = table; option->name; option++)
		help_one(option, out);
}

void option_column(FILE *out, const struct column *column, const json_t *row)
{
	const struct option_spec *option = column->arg;
	const char *separator = "";
	const json_t *value;

	for (; option->name; option++) {
		value = json_object_get(row, option_key(option));
		if (!value || option->always)
			continue;
		fprintf(out, "%s%s ", separator, option->name);
		print_value(out, value);
		separator = " ";
	}
}
