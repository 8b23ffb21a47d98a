/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_TOP_SCREEN_H
#define KPROXY_TOP_SCREEN_H

#include <stdbool.h>

/**
 * struct top_screen - the terminal, while it is ours
 * @scroll: lines of the list that are above the screen
 * @errors: what was written to standard error meanwhile, a descriptor
 * @terminal: where it used to go, a descriptor
 */
struct top_screen {
	int scroll;
	int errors;
	int terminal;
};

/*
 * Take the terminal. Messages wait until it is given back. Return: false when it
 * is of a kind that cannot show a screen; then nothing was done.
 */
bool top_screen_open(struct top_screen *screen);

/* Give the terminal back, and print the messages that have waited. */
void top_screen_close(struct top_screen *screen);

/**
 * top_screen_draw() - show a text
 * @screen: where
 * @head: lines that stay at the top, each ending in a newline
 * @list: lines below them that can be scrolled; the first one is their title
 */
void top_screen_draw(struct top_screen *screen, const char *head,
		     const char *list);

/* The next key that was typed, or -1. Keys that scroll are dealt with. */
int top_screen_key(struct top_screen *screen);

#endif
