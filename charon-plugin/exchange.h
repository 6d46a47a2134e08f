/* Copyright the agentd authors. SPDX-License-Identifier: GPL-2.0-or-later (see LICENSE in this directory). */
#ifndef AGENTD_EXCHANGE_H
#define AGENTD_EXCHANGE_H

/* One question to the agent and its answer, over a Unix socket. Nothing of strongSwan: tested and fuzzed alone. */

#include <stddef.h>
#include <stdint.h>

/* In bytes; the agent knows the same limits. */
#define EXCHANGE_VERSION 1
#define EXCHANGE_MAX_FIELD 512
#define EXCHANGE_MAX_KEY 512
#define EXCHANGE_MAX_QUESTION (3 + 2 * (2 + EXCHANGE_MAX_FIELD))
#define EXCHANGE_ANSWER_HEADER 4
#define EXCHANGE_MAX_ANSWER (EXCHANGE_ANSWER_HEADER + EXCHANGE_MAX_KEY)

/* How long a question may take in all. */
#define EXCHANGE_LIMIT_MS 5000

enum exchange_result {
	EXCHANGE_FOUND,
	/* The agent has no key of that ID. */
	EXCHANGE_NOT_FOUND,
	/* The agent could not be asked, could not ask in turn, or did not answer in time. */
	EXCHANGE_UNAVAILABLE,
	/* The answer is none. */
	EXCHANGE_MALFORMED,
};

struct exchange_field {
	const void *bytes;
	size_t length;
};

/* The octets of a question; 0 when a field is too long. */
size_t exchange_encode(uint8_t question[EXCHANGE_MAX_QUESTION], struct exchange_field id,
					   struct exchange_field connection);

/* What `length` octets are: EXCHANGE_FOUND with *key_length octets of key after the header; EXCHANGE_UNAVAILABLE with
 * *missing > 0 when that many more have to come at least. */
enum exchange_result exchange_decode(const uint8_t *answer, size_t length, size_t *key_length, size_t *missing);

/* Asks. The answer's octets, key included, are left in `answer`: the caller wipes them. */
enum exchange_result exchange_ask(const char *path, const uint8_t *question, size_t question_length,
								  uint8_t answer[EXCHANGE_MAX_ANSWER], size_t *key_length, int limit_ms);

#endif
