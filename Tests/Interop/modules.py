# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Namespaces of modules that more than one test uses."""

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
CISCO = "http://cisco.com/ns/yang/Cisco-IOS-XR"
SKS = f"{CISCO}-um-sks-server-cfg"
SKS_OPER = f"{CISCO}-sks-server-oper"
