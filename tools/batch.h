/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_BATCH_H
#define KPROXY_BATCH_H

struct ctx;

/**
 * batch_run() - run the commands of a file, one a line
 * @ctx: shared by all of them
 * @path: the file, "-" for standard input
 *
 * Words are separated by blanks; double quotes keep blanks in a word; a word
 * that begins with # and all behind it is a comment. The first error ends it.
 *
 * Return: exit status; what is not STATUS_DONE has been reported
 */
int batch_run(struct ctx *ctx, const char *path);

/**
 * batch_split() - cut a line into words, in place
 * @line: the line
 * @words: gets them; room for half as many as @line has bytes, and one
 *
 * Return: how many, or -1 when a quote is not closed
 */
int batch_split(char *line, char **words);

#endif
