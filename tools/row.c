// SPDX-License-Identifier: GPL-2.0
#include "row.h"

const char *row_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

json_t *row_index(const json_t *rows, const char *key)
{
	json_t *index = json_object(), *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
		json_object_set(index, row_text(row, key), row);
	return index;
}
