// SPDX-License-Identifier: GPL-2.0
/* The only file that uses ncurses. */
#include "top-screen.h"

#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Redraw the whole screen, as in other programs. */
#define CTRL_L 0x0c

/* A line on standard error would disturb the screen and be lost. */
static void hold_errors(struct top_screen *screen)
{
	screen->terminal = dup(STDERR_FILENO);
	screen->errors = memfd_create("kproxy-top", MFD_CLOEXEC);
	if (screen->terminal >= 0 && screen->errors >= 0)
		dup2(screen->errors, STDERR_FILENO);
}

static void release_errors(struct top_screen *screen)
{
	char text[BUFSIZ];
	ssize_t len;

	if (screen->terminal >= 0)
		dup2(screen->terminal, STDERR_FILENO);
	lseek(screen->errors, 0, SEEK_SET);
	while ((len = read(screen->errors, text, sizeof(text))) > 0)
		fwrite(text, 1, len, stderr);
	close(screen->errors);
	close(screen->terminal);
}

bool top_screen_open(struct top_screen *screen)
{
	if (!newterm(NULL, stdout, stdin))
		return false;
	hold_errors(screen);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, true);
	nodelay(stdscr, true);
	return true;
}

void top_screen_close(struct top_screen *screen)
{
	endwin();
	release_errors(screen);
}

static const char *next_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end ? end + 1 : text + strlen(text);
}

/* Draw a line, cut at the edge. Return: the next line. */
static const char *draw_line(int y, const char *text, attr_t attributes)
{
	const char *next = next_line(text);
	int len = next - text;

	if (len && text[len - 1] == '\n')
		len--;
	attrset(attributes);
	mvaddnstr(y, 0, text, len < COLS ? len : COLS);
	if (attributes & A_REVERSE)
		for (; len < COLS; len++)
			addch(' ');
	attrset(A_NORMAL);
	return next;
}

static int count_lines(const char *text)
{
	int n = 0;

	for (; *text; text = next_line(text))
		n++;
	return n;
}

/* Stop when the last line is below the title. */
static void limit_scroll(struct top_screen *screen, int lines)
{
	if (screen->scroll >= lines)
		screen->scroll = lines - 1;
	if (screen->scroll < 0)
		screen->scroll = 0;
}

void top_screen_draw(struct top_screen *screen, const char *head,
		     const char *list)
{
	int y = 0, i;

	erase();
	while (*head && y < LINES)
		head = draw_line(y++, head, A_NORMAL);
	if (*list && y < LINES)
		list = draw_line(y++, list, A_REVERSE);
	limit_scroll(screen, count_lines(list));
	for (i = 0; i < screen->scroll; i++)
		list = next_line(list);
	while (*list && y < LINES)
		list = draw_line(y++, list, A_NORMAL);
	refresh();
}

int top_screen_key(struct top_screen *screen)
{
	int key = getch();

	switch (key) {
	case KEY_UP:
		screen->scroll--;
		break;
	case KEY_DOWN:
		screen->scroll++;
		break;
	case KEY_PPAGE:
		screen->scroll -= LINES / 2;
		break;
	case KEY_NPAGE:
		screen->scroll += LINES / 2;
		break;
	case KEY_HOME:
		screen->scroll = 0;
		break;
	case KEY_LEFT:
		return '<';
	case KEY_RIGHT:
		return '>';
	case CTRL_L:
		clearok(stdscr, true);
		break;
	case ERR:
		return -1;
	}
	return key;
}
