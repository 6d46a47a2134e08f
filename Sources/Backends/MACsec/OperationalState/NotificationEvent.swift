// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// An event for subscribers, where the engine's events have the same name.
typealias NotificationEvent = Event
