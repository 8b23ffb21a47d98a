// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of fields and options: what a new row may lack or have twice. A
 * counter that the kernel has and the table lacks fails here.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <linux/kproxy.h>

#include "args.h"
#include "cmd.h"
#include "config.h"
#include "config-diff.h"
#include "counters.h"
#include "ctx.h"
#include "field.h"
#include "option.h"
#include "request.h"
#include "session-fields.h"
#include "tap.h"
#include "view.h"

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), rest = strlen(end);

	return len > rest && !strcmp(text + len - rest, end);
}

/* Say what is wrong with a row. */
static bool fail(const char *name, const char *why)
{
	printf("# %s: %s\n", name, why);
	return false;
}

static bool row_is_right(const struct field *row)
{
	if (!row->type || !row->type->show || !row->attr)
		return fail(row->key, "no type or no attribute");
	if (row->metric && (!row->help || !ends_in(row->help, ".")))
		return fail(row->key, "the help of a metric is a sentence");
	if (row->type == &field_nest && !row->nested)
		return fail(row->key, "a nest of nothing");
	if ((row->type == &field_word || row->type == &field_by_word) &&
	    !row->words)
		return fail(row->key, "no words");
	return true;
}

static bool rows_differ(const struct field *a, const struct field *b)
{
	if (!strcmp(a->key, b->key))
		return fail(a->key, "this key is there twice");
	if (a->attr == b->attr)
		return fail(a->key, "another row has its attribute");
	if (a->metric && b->metric && !strcmp(a->metric, b->metric))
		return fail(a->key, "another row has its metric");
	return true;
}

static void fields_are_right(const struct field *table, const char *name)
{
	const struct field *a, *b;
	bool right = true;

	for (a = table; a->key; a++) {
		right &= row_is_right(a);
		for (b = table; b < a; b++)
			right &= rows_differ(a, b);
	}
	tap_ok(right, name);
}

static void test_fields(void)
{
	fields_are_right(counters, "counters");
	fields_are_right(session_fields, "values of a session");
	fields_are_right(listener_view.fields, "values of a listener");
	fields_are_right(server_view.fields, "values of a server");
	fields_are_right(pool_view.fields, "values of a pool");
}

/* Whether @table has a row for each attribute from 1 to @max. */
static void has_all(const struct field *table, int max, const char *name)
{
	const struct field *row;
	bool right = true;
	char number[32];
	int attr;

	for (attr = 1; attr <= max; attr++) {
		for (row = table; row->key && row->attr != attr; row++)
			;
		snprintf(number, sizeof(number), "attribute %d", attr);
		if (!row->key)
			right = fail(number, "no row shows it");
	}
	tap_ok(right, name);
}

static void test_no_counter_is_forgotten(void)
{
	const struct field *row;
	bool right = true;

	has_all(counters, KPROXY_A_COUNTERS_MAX, "every counter is shown");
	has_all(pool_view.fields, KPROXY_A_POOL_MAX,
		"every value of a pool is shown");
	for (row = counters; row->key; row++) {
		if (!row->scopes)
			right = fail(row->key, "kept for nothing");
		if (!row->line || !row->metric)
			right = fail(row->key, "no line or no metric");
	}
	tap_ok(right, "every counter has a line and a metric");
}

/* fields_parse() ignores attributes beyond FIELD_ATTR_MAX. */
static void test_no_attribute_is_too_large(void)
{
	static const int last[] = {
		KPROXY_A_LISTENER_MAX, KPROXY_A_UPSTREAM_MAX,
		KPROXY_A_SERVER_MAX, KPROXY_A_ROUTE_MAX, KPROXY_A_SESSION_MAX,
		KPROXY_A_COUNTERS_MAX, KPROXY_A_POOL_MAX,
	};
	bool right = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(last); i++)
		right &= last[i] <= FIELD_ATTR_MAX;
	tap_ok(right, "all attributes can be parsed");
}

static bool option_is_right(const struct option_spec *option)
{
	if (!option->type || !option->attr || !option->help)
		return fail(option->name, "no type, no attribute or no help");
	if (!option->value && !option->words)
		return fail(option->name, "help cannot say what its value is");
	if (option->type->parse && option->min > option->def)
		return fail(option->name, "the default is below the limits");
	if (option->type->parse && option->max < option->def)
		return fail(option->name, "the default is above the limits");
	return true;
}

/* The default as help prints it must be a value that the option takes. */
static bool default_is_taken(const struct option_spec *option)
{
	struct request *req = request_new(KPROXY_CMD_LISTENER_SET);
	struct ctx ctx = { .ifd = -1, .object = "default" };
	char text[OPTION_TEXT_MAX];
	int status = STATUS_DONE;

	if (option->type->format) {
		option->type->format(option, option->def, text);
		status = option->type->put(&ctx, option, text, req);
	}
	request_free(req);
	return !status || fail(option->name, "does not take its default");
}

static bool options_differ(const struct option_spec *a,
			   const struct option_spec *b)
{
	if (!strcmp(a->name, b->name))
		return fail(a->name, "this option is there twice");
	if (a->attr == b->attr)
		return fail(a->name, "another option has its attribute");
	return true;
}

/* A file has options, operand and lists in one mapping. */
static bool key_is_free(const struct object *object, const char *name)
{
	const struct object *inner = NULL;

	if (object->form->operand && !strcmp(object->form->operand, name))
		return fail(name, "the operand is called so in a file");
	while ((inner = config_next_inner(object, inner)))
		if (!strcmp(inner->form->list, name))
			return fail(name, "a list is called so in a file");
	return true;
}

static void options_are_right(const struct object *object)
{
	const struct option_spec *a, *b;
	bool right = true;
	char name[64];

	for (a = object->options; a->name; a++) {
		right &= option_is_right(a) && default_is_taken(a) &&
			 key_is_free(object, a->name);
		for (b = object->options; b < a; b++)
			right &= options_differ(a, b);
	}
	snprintf(name, sizeof(name), "options of %s", object->name);
	tap_ok(right, name);
	tap_ok(a - object->options <= OPTIONS_MAX, "there are not too many");
}

static void test_options(void)
{
	const struct object *const *object;

	for (object = config_objects; *object; object++)
		if ((*object)->options)
			options_are_right(*object);
}

static bool has_step(const struct object *object, enum change_verb verb)
{
	const struct config_step *step = config_steps;

	while (step->object && (step->object != object || step->verb != verb))
		step++;
	return step->object;
}

/* A kind of change without a step would never be made. */
static bool steps_are_right(const struct object *object)
{
	enum change_verb verb;

	for (verb = CHANGE_ADD; verb <= CHANGE_DELETE; verb++)
		if (cmd_find(object, change_verbs[verb]) &&
		    !has_step(object, verb))
			return fail(change_verbs[verb], "no step");
	return cmd_find(object, "add") && cmd_find(object, "delete");
}

static bool form_is_right(const struct form *form)
{
	return form->view && !form->key == !!form->keys && !form->section == !!form->outer &&
	       (!form->outer || (form->list && form->outer_key)) &&
	       !form->operand == !form->operand_key;
}

static void test_forms(void)
{
	const struct object *const *object;
	char name[64];

	for (object = config_objects; *object; object++) {
		snprintf(name, sizeof(name), "form of %s", (*object)->name);
		tap_ok(form_is_right((*object)->form), name);
		tap_ok(steps_are_right(*object), "each of its changes is made");
	}
}

int main(void)
{
	test_fields();
	test_no_counter_is_forgotten();
	test_no_attribute_is_too_large();
	test_options();
	test_forms();
	return tap_done();
}
