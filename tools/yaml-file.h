/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_YAML_FILE_H
#define KPROXY_YAML_FILE_H

#include <jansson.h>
#include <stdio.h>
#include <yaml.h>

struct ctx;

/**
 * yaml_file_read() - read a file of one YAML document
 * @ctx: for messages; its file is the one to read, "-" for standard input
 * @doc: the document, for yaml_document_delete()
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int yaml_file_read(struct ctx *ctx, yaml_document_t *doc);

/* Write @value as a YAML document; whether that worked is up to @out. */
void yaml_file_write(FILE *out, const json_t *value);

#endif
