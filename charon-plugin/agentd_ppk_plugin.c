/* Copyright the agentd authors. SPDX-License-Identifier: GPL-2.0-or-later (see LICENSE in this directory). */

/* Asks the agent for the postquantum preshared key (RFC 8784) of an ID that a far end has named.
 *
 * charon calls in the thread of the IKE SA concerned, under the credential sets' read lock, before the far end is
 * authenticated. The call takes no other lock, is over within EXCHANGE_LIMIT_MS, and ends with a key or without one. */

#include <daemon.h>
#include <credentials/sets/callback_cred.h>
#include <plugins/plugin.h>

#include "exchange.h"

typedef struct agentd_ppk_plugin_t agentd_ppk_plugin_t;

struct agentd_ppk_plugin_t {
	plugin_t plugin;
	callback_cred_t *credentials;
	/* Of the agent's socket. */
	char *path;
};

/* Referred to by name when charon loads the plugin. */
plugin_t *agentd_ppk_plugin_create(void);

static struct exchange_field field(chunk_t chunk)
{
	return (struct exchange_field){ chunk.ptr, chunk.len };
}

static shared_key_t *look_up(agentd_ppk_plugin_t *this, identification_t *id, ike_sa_t *sa)
{
	uint8_t question[EXCHANGE_MAX_QUESTION], answer[EXCHANGE_MAX_ANSWER];
	char *connection = sa->get_name(sa);
	size_t key_length;
	shared_key_t *key = NULL;

	size_t length =
		exchange_encode(question, field(id->get_encoding(id)), field(chunk_from_str(connection)));
	enum exchange_result result =
		exchange_ask(this->path, question, length, answer, &key_length, EXCHANGE_LIMIT_MS);
	switch (result)
	{
		case EXCHANGE_FOUND:
			key = shared_key_create(SHARED_PPK,
					chunk_clone(chunk_create(answer + EXCHANGE_ANSWER_HEADER, key_length)));
			DBG1(DBG_CFG, "agentd has the PPK of '%Y'", id);
			break;
		case EXCHANGE_NOT_FOUND:
			DBG1(DBG_CFG, "agentd has no PPK of '%Y'", id);
			break;
		case EXCHANGE_UNAVAILABLE:
			DBG1(DBG_CFG, "agentd did not say the PPK of '%Y'", id);
			break;
		case EXCHANGE_MALFORMED:
			DBG1(DBG_CFG, "agentd's answer for the PPK of '%Y' is malformed", id);
			break;
	}
	memwipe(answer, sizeof(answer));
	return key;
}

CALLBACK(find_shared, shared_key_t*, agentd_ppk_plugin_t *this, shared_key_type_t type, identification_t *me,
	identification_t *other, id_match_t *match_me, id_match_t *match_other)
{
	/* Without an ID it is asked whether there is any PPK; what the agent has loaded over VICI answers that. */
	if (type != SHARED_PPK || !me || !this->path)
	{
		return NULL;
	}
	/* An initiator's key is loaded before it begins. */
	ike_sa_t *sa = charon->bus->get_sa(charon->bus);
	if (!sa || sa->get_version(sa) != IKEV2 || sa->has_condition(sa, COND_ORIGINAL_INITIATOR))
	{
		return NULL;
	}
	shared_key_t *key = look_up(this, me, sa);
	if (key)
	{
		/* Perfect in both: the search ends here. */
		if (match_me)
		{
			*match_me = ID_MATCH_PERFECT;
		}
		if (match_other)
		{
			*match_other = ID_MATCH_PERFECT;
		}
	}
	return key;
}

static bool join(agentd_ppk_plugin_t *this, plugin_feature_t *feature, bool reg, void *data)
{
	if (reg)
	{
		lib->credmgr->add_set(lib->credmgr, &this->credentials->set);
	}
	else
	{
		lib->credmgr->remove_set(lib->credmgr, &this->credentials->set);
	}
	return TRUE;
}

METHOD(plugin_t, get_name, char*, agentd_ppk_plugin_t *this)
{
	return "agentd-ppk";
}

METHOD(plugin_t, get_features, int, agentd_ppk_plugin_t *this, plugin_feature_t *features[])
{
	static plugin_feature_t f[] = {
		PLUGIN_CALLBACK((plugin_feature_callback_t)join, NULL),
			PLUGIN_PROVIDE(CUSTOM, "agentd-ppk"),
	};
	*features = f;
	return countof(f);
}

METHOD(plugin_t, destroy, void, agentd_ppk_plugin_t *this)
{
	this->credentials->destroy(this->credentials);
	free(this->path);
	free(this);
}

plugin_t *agentd_ppk_plugin_create(void)
{
	agentd_ppk_plugin_t *this;
	char *path = lib->settings->get_str(lib->settings, "%s.plugins.agentd-ppk.socket", NULL, lib->ns);

	INIT(this,
		.plugin = {
			.get_name = _get_name,
			.get_features = _get_features,
			.destroy = _destroy,
		},
		.path = path ? strdup(path) : NULL,
	);
	this->credentials = callback_cred_create_shared((callback_cred_shared_cb_t)find_shared, this);
	return &this->plugin;
}
