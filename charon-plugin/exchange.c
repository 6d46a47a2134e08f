/* Copyright the agentd authors. SPDX-License-Identifier: GPL-2.0-or-later (see LICENSE in this directory). */
#define _GNU_SOURCE
#include "exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint8_t *put(uint8_t *at, struct exchange_field field)
{
	*at++ = field.length >> 8;
	*at++ = field.length & 0xff;
	if (field.length)
	{
		memcpy(at, field.bytes, field.length);
	}
	return at + field.length;
}

size_t exchange_encode(uint8_t question[EXCHANGE_MAX_QUESTION], struct exchange_field id,
					   struct exchange_field connection)
{
	if (id.length > EXCHANGE_MAX_FIELD || connection.length > EXCHANGE_MAX_FIELD)
	{
		return 0;
	}
	uint8_t *at = question + 3;
	at = put(put(at, id), connection);
	size_t length = at - question;
	question[0] = EXCHANGE_VERSION;
	question[1] = (length - 3) >> 8;
	question[2] = (length - 3) & 0xff;
	return length;
}

enum exchange_result exchange_decode(const uint8_t *answer, size_t length, size_t *key_length, size_t *missing)
{
	*key_length = 0;
	*missing = 0;
	if (length >= 1 && answer[0] != EXCHANGE_VERSION)
	{
		return EXCHANGE_MALFORMED;
	}
	if (length < EXCHANGE_ANSWER_HEADER)
	{
		*missing = EXCHANGE_ANSWER_HEADER - length;
		return EXCHANGE_UNAVAILABLE;
	}
	size_t size = (size_t)answer[2] << 8 | answer[3];
	if (size > EXCHANGE_MAX_KEY || (size > 0) != (answer[1] == 0) || length > EXCHANGE_ANSWER_HEADER + size)
	{
		return EXCHANGE_MALFORMED;
	}
	if (length < EXCHANGE_ANSWER_HEADER + size)
	{
		*missing = EXCHANGE_ANSWER_HEADER + size - length;
		return EXCHANGE_UNAVAILABLE;
	}
	switch (answer[1])
	{
		case 0:
			*key_length = size;
			return EXCHANGE_FOUND;
		case 1:
			return EXCHANGE_NOT_FOUND;
		case 2:
			return EXCHANGE_UNAVAILABLE;
		default:
			return EXCHANGE_MALFORMED;
	}
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_for(int descriptor, short events, int64_t end)
{
	while (true)
	{
		int64_t left = end - now_ms();
		if (left <= 0)
		{
			return false;
		}
		struct pollfd poller = { .fd = descriptor, .events = events };
		int ready = poll(&poller, 1, (int)left);
		if (ready > 0)
		{
			return true;
		}
		if (ready == 0 || errno != EINTR)
		{
			return false;
		}
	}
}

static bool send_all(int descriptor, const uint8_t *bytes, size_t length, int64_t end)
{
	while (length > 0)
	{
		ssize_t sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
		if (sent > 0)
		{
			bytes += sent;
			length -= sent;
		}
		else if (errno == EAGAIN)
		{
			if (!wait_for(descriptor, POLLOUT, end))
			{
				return false;
			}
		}
		else if (errno != EINTR)
		{
			return false;
		}
	}
	return true;
}

static enum exchange_result receive(int descriptor, uint8_t answer[EXCHANGE_MAX_ANSWER], size_t *key_length,
									int64_t end)
{
	size_t length = 0, missing = EXCHANGE_ANSWER_HEADER;
	while (true)
	{
		/* Never more than the answer says that it has: `missing` is bounded by the decoder. */
		ssize_t count = recv(descriptor, answer + length, missing, 0);
		if (count > 0)
		{
			length += count;
			enum exchange_result result = exchange_decode(answer, length, key_length, &missing);
			if (missing == 0)
			{
				return result;
			}
		}
		else if (count == 0 || (errno != EAGAIN && errno != EINTR))
		{
			return EXCHANGE_UNAVAILABLE;
		}
		else if (!wait_for(descriptor, POLLIN, end))
		{
			return EXCHANGE_UNAVAILABLE;
		}
	}
}

enum exchange_result exchange_ask(const char *path, const uint8_t *question, size_t question_length,
								  uint8_t answer[EXCHANGE_MAX_ANSWER], size_t *key_length, int limit_ms)
{
	int64_t end = now_ms() + limit_ms;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	*key_length = 0;
	if (question_length == 0 || strlen(path) >= sizeof(address.sun_path))
	{
		return EXCHANGE_UNAVAILABLE;
	}
	strcpy(address.sun_path, path);
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (descriptor < 0)
	{
		return EXCHANGE_UNAVAILABLE;
	}
	enum exchange_result result = EXCHANGE_UNAVAILABLE;
	/* On a Unix socket this succeeds or fails at once; a full queue of the agent's is a failure. */
	if (connect(descriptor, (struct sockaddr*)&address, sizeof(address)) == 0 &&
		send_all(descriptor, question, question_length, end))
	{
		result = receive(descriptor, answer, key_length, end);
	}
	close(descriptor);
	return result;
}
