/* Copyright the agentd authors. SPDX-License-Identifier: GPL-2.0-or-later (see charon-plugin/LICENSE). */

/* The plugin's exchange alone: its coding, damaged answers, and agents that are slow, broken or gone. */
#define _GNU_SOURCE
#include "../../charon-plugin/exchange.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
	do                                                                                                                 \
	{                                                                                                                  \
		if (!(condition))                                                                                              \
		{                                                                                                              \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
			exit(1);                                                                                                   \
		}                                                                                                              \
	} while (0)

static struct exchange_field text(const char *string)
{
	return (struct exchange_field){ string, strlen(string) };
}

static void coding(void)
{
	uint8_t question[EXCHANGE_MAX_QUESTION];
	const uint8_t expected[] = { 1, 0, 8, 0, 2, 'i', 'd', 0, 2, 'c', '1' };
	CHECK(exchange_encode(question, text("id"), text("c1")) == sizeof(expected));
	CHECK(memcmp(question, expected, sizeof(expected)) == 0);

	char most[EXCHANGE_MAX_FIELD + 1];
	memset(most, 'x', sizeof(most));
	struct exchange_field longest = { most, EXCHANGE_MAX_FIELD }, longer = { most, EXCHANGE_MAX_FIELD + 1 };
	CHECK(exchange_encode(question, longest, longest) == EXCHANGE_MAX_QUESTION);
	CHECK(exchange_encode(question, longer, text("")) == 0);
	CHECK(exchange_encode(question, text(""), longer) == 0);

	size_t key_length, missing;
	const uint8_t found[] = { 1, 0, 0, 3, 7, 8, 9 }, not_found[] = { 1, 1, 0, 0 }, busy[] = { 1, 2, 0, 0 };
	for (size_t length = 0; length < sizeof(found); length++)
	{
		CHECK(exchange_decode(found, length, &key_length, &missing) == EXCHANGE_UNAVAILABLE && missing > 0);
		CHECK(key_length == 0);
	}
	CHECK(exchange_decode(found, sizeof(found), &key_length, &missing) == EXCHANGE_FOUND);
	CHECK(key_length == 3 && missing == 0);
	CHECK(exchange_decode(not_found, 4, &key_length, &missing) == EXCHANGE_NOT_FOUND && missing == 0);
	CHECK(exchange_decode(busy, 4, &key_length, &missing) == EXCHANGE_UNAVAILABLE && missing == 0);
	const uint8_t wrong[][4] = { { 2, 0, 0, 1 }, { 1, 0, 0, 0 }, { 1, 1, 0, 1 }, { 1, 3, 0, 0 }, { 1, 0, 0xff, 0xff } };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
	{
		CHECK(exchange_decode(wrong[i], 4, &key_length, &missing) == EXCHANGE_MALFORMED && missing == 0);
	}
}

/* Any octets, from memory of just their size: the sanitizer sees a read beyond. */
static void damage(unsigned seed)
{
	srandom(seed);
	for (int round = 0; round < 200000; round++)
	{
		size_t length = random() % 24, key_length, missing;
		uint8_t *answer = malloc(length ? length : 1);
		for (size_t i = 0; i < length; i++)
		{
			answer[i] = random() % 4 ? random() % 5 : random();
		}
		enum exchange_result result = exchange_decode(answer, length, &key_length, &missing);
		CHECK(key_length <= EXCHANGE_MAX_KEY && length + missing <= EXCHANGE_MAX_ANSWER);
		CHECK(result != EXCHANGE_FOUND || EXCHANGE_ANSWER_HEADER + key_length == length);
		free(answer);
	}
}

static char path[64];

/* Listens and, unless `answer` is NULL, sends it one octet at a time. */
struct agent {
	int descriptor;
	const uint8_t *answer;
	size_t length;
};

static void *serve(void *context)
{
	struct agent *agent = context;
	int client = accept(agent->descriptor, NULL, NULL);
	uint8_t question[EXCHANGE_MAX_QUESTION];
	CHECK(recv(client, question, sizeof(question), 0) > 0);
	for (size_t i = 0; agent->answer && i < agent->length; i++)
	{
		send(client, agent->answer + i, 1, MSG_NOSIGNAL);
	}
	if (!agent->answer)
	{
		recv(client, question, sizeof(question), 0);
	}
	close(client);
	return NULL;
}

static enum exchange_result ask(const uint8_t *answer, size_t length, uint8_t *received, size_t *key_length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct agent agent = { socket(AF_UNIX, SOCK_STREAM, 0), answer, length };
	uint8_t question[EXCHANGE_MAX_QUESTION];
	pthread_t thread;

	strcpy(address.sun_path, path);
	unlink(path);
	CHECK(bind(agent.descriptor, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(agent.descriptor, 1) == 0);
	CHECK(pthread_create(&thread, NULL, serve, &agent) == 0);
	size_t size = exchange_encode(question, text("id"), text("c1"));
	enum exchange_result result = exchange_ask(path, question, size, received, key_length, 300);
	pthread_join(thread, NULL);
	close(agent.descriptor);
	return result;
}

static void asking(void)
{
	uint8_t received[EXCHANGE_MAX_ANSWER], question[] = { 1, 0, 0 };
	size_t key_length;
	const uint8_t found[] = { 1, 0, 0, 3, 7, 8, 9 }, wrong[] = { 9, 9, 9, 9 };

	CHECK(ask(found, sizeof(found), received, &key_length) == EXCHANGE_FOUND && key_length == 3);
	CHECK(memcmp(received + EXCHANGE_ANSWER_HEADER, found + EXCHANGE_ANSWER_HEADER, 3) == 0);
	CHECK(ask(found, 5, received, &key_length) == EXCHANGE_UNAVAILABLE);
	CHECK(ask(wrong, sizeof(wrong), received, &key_length) == EXCHANGE_MALFORMED);
	/* One that listens and says nothing, and none. */
	CHECK(ask(NULL, 0, received, &key_length) == EXCHANGE_UNAVAILABLE);
	unlink(path);
	CHECK(exchange_ask(path, question, 3, received, &key_length, 300) == EXCHANGE_UNAVAILABLE);
}

int main(int count, char **arguments)
{
	unsigned seed = count > 1 ? strtoul(arguments[1], NULL, 10) : (unsigned)time(NULL) ^ (unsigned)getpid();
	printf("damaged answers: seed %u\n", seed);
	snprintf(path, sizeof(path), "/tmp/agentd-exchange-%d", (int)getpid());
	coding();
	damage(seed);
	asking();
	return 0;
}
