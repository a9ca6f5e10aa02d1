/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A micro-benchmark is one operation, in a file of its own. micro.c has main(): it makes the address space as large as was asked for, runs the
 * operation so many times, several times over, and prints one line of JSON.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct parameters {
	unsigned long pages;	/* pages that the operation writes, each in one place */
	unsigned long mappings;	/* mappings of eleven written pages that the address space has besides */
	unsigned long live;	/* contexts (or processes) that exist besides */
};

struct operation {
	const char *name;
	const char *what;			/* one line for --help and for tables */
	bool (*available)(void);		/* NULL: everywhere */
	void (*setup)(const struct parameters *parameters);
	void (*run)(unsigned long rounds);
	void (*teardown)(void);			/* NULL: nothing */
	long (*bytes_each)(void);		/* instead of run: memory for each of parameters.live, in bytes */
};

extern const struct operation operation;

/* Ends the program with a message, errno included, when `good` is false. */
void check(bool good, const char *what);

/* Pages that the operation may write; they are there and writable, and private to the process. */
void prepare_pages(unsigned long count);
void write_pages(unsigned long count);

/* Free memory of the machine in bytes, after everything that is only waiting to be freed was freed. */
long free_memory(void);
