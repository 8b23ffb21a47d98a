// SPDX-License-Identifier: GPL-2.0
/* Read and write YAML by libyaml; config-read.c interprets it. */
#include "yaml-file.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "ctx.h"
#include "text-file.h"

/* Bytes of the text that are shown where it is not YAML. */
#define TOKEN_MAX 24

static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

/* Make a place of an offset in bytes. */
static struct place place_of(const struct text *text, size_t offset)
{
	struct place place = { 1, 1 };
	size_t i;

	for (i = 0; i < offset && i < text->len; i++) {
		if (text->data[i] == '\n')
			place = (struct place){ place.line + 1, 1 };
		else
			place.column += begins_character(text->data[i]);
	}
	return place;
}

/* The word that begins at a place, cut to TOKEN_MAX bytes. */
static void token_at(const struct text *text, struct place place, char *token)
{
	size_t i = 0, n = 0;

	while (i < text->len && --place.line)
		for (; i < text->len && text->data[i++] != '\n';)
			;
	for (; i < text->len && place.column > 1; i++)
		place.column -= begins_character(text->data[i + 1]);
	while (i < text->len && n < TOKEN_MAX &&
	       !strchr(" \t\r\n", text->data[i]))
		token[n++] = text->data[i++];
	token[n] = '\0';
}

static int refuse_yaml(struct ctx *ctx, const yaml_parser_t *parser,
		       const struct text *text)
{
	char token[TOKEN_MAX + 1];

	if (parser->error == YAML_MEMORY_ERROR)
		alloc_failed();
	if (parser->error == YAML_READER_ERROR) {
		ctx->place = place_of(text, parser->problem_offset);
		return ctx_refuse(ctx, "byte 0x%02x: %s",
				  parser->problem_value & 0xff,
				  parser->problem);
	}
	ctx->place.line = parser->problem_mark.line + 1;
	ctx->place.column = parser->problem_mark.column + 1;
	token_at(text, ctx->place, token);
	if (!*token)
		return ctx_refuse(ctx, "not YAML: %s", parser->problem);
	return ctx_refuse(ctx, "not YAML at \"%s\": %s", token,
			  parser->problem);
}

static int parse_end(struct ctx *ctx, yaml_parser_t *parser,
		     const struct text *text)
{
	const yaml_node_t *root;
	yaml_document_t more;

	if (!yaml_parser_load(parser, &more))
		return refuse_yaml(ctx, parser, text);
	root = yaml_document_get_root_node(&more);
	ctx->place.line = more.start_mark.line + 1;
	ctx->place.column = more.start_mark.column + 1;
	yaml_document_delete(&more);
	if (root)
		return ctx_refuse(ctx, "a second document \"---\"");
	return STATUS_DONE;
}

static int parse(struct ctx *ctx, yaml_parser_t *parser,
		 const struct text *text, yaml_document_t *doc)
{
	int status;

	if (!yaml_parser_load(parser, doc))
		return refuse_yaml(ctx, parser, text);
	if (!yaml_document_get_root_node(doc)) {
		yaml_document_delete(doc);
		return ctx_refuse(ctx, "the file is empty; an empty configuration is {}");
	}
	status = parse_end(ctx, parser, text);
	if (status)
		yaml_document_delete(doc);
	return status;
}

int yaml_file_read(struct ctx *ctx, yaml_document_t *doc)
{
	struct text text = {};
	yaml_parser_t parser;
	int status;

	ctx->place = (struct place){};
	status = text_file_read(ctx, &text);
	if (!status) {
		if (!yaml_parser_initialize(&parser))
			alloc_failed();
		yaml_parser_set_input_string(&parser,
					     (unsigned char *)text.data,
					     text.len);
		status = parse(ctx, &parser, &text, doc);
		yaml_parser_delete(&parser);
	}
	free(text.data);
	return status;
}

/* The emitter remembers an error and ignores the events that follow. */
static void emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
	if (!made)
		alloc_failed();
	yaml_emitter_emit(emitter, event);
}

static void emit_text(yaml_emitter_t *emitter, const char *text)
{
	yaml_event_t event;

	emit(emitter, &event,
	     yaml_scalar_event_initialize(&event, NULL, NULL,
					  (unsigned char *)text, -1, 1, 1,
					  YAML_ANY_SCALAR_STYLE));
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value);

static void emit_list(yaml_emitter_t *emitter, const json_t *value)
{
	bool flow = !json_is_object(json_array_get(value, 0));
	yaml_event_t event;
	json_t *item;
	size_t i;

	emit(emitter, &event,
	     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  flow ? YAML_FLOW_SEQUENCE_STYLE :
						  YAML_BLOCK_SEQUENCE_STYLE));
	json_array_foreach(value, i, item)
		emit_value(emitter, item);
	emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static void emit_mapping(yaml_emitter_t *emitter, const json_t *value)
{
	yaml_event_t event;
	const char *key;
	json_t *item;

	emit(emitter, &event,
	     yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						 YAML_BLOCK_MAPPING_STYLE));
	json_object_foreach((json_t *)value, key, item) {
		emit_text(emitter, key);
		emit_value(emitter, item);
	}
	emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value)
{
	char number[32];

	if (json_is_object(value)) {
		emit_mapping(emitter, value);
	} else if (json_is_array(value)) {
		emit_list(emitter, value);
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		emit_text(emitter, number);
	} else {
		emit_text(emitter, json_string_value(value));
	}
}

void yaml_file_write(FILE *out, const json_t *value)
{
	yaml_emitter_t emitter;
	yaml_event_t event;

	if (!yaml_emitter_initialize(&emitter))
		alloc_failed();
	yaml_emitter_set_output_file(&emitter, out);
	/* Do not fold lines: an address list stays one line. */
	yaml_emitter_set_width(&emitter, -1);
	emit(&emitter, &event,
	     yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(&emitter, &event,
	     yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	emit_value(&emitter, value);
	emit(&emitter, &event, yaml_document_end_event_initialize(&event, 1));
	emit(&emitter, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&emitter);
}
